"""The few pages for people: where `/` leads, the console's place, the API on one page, what an error code means."""

from html import escape

from fastapi import APIRouter, FastAPI, Request, Response
from starlette.responses import HTMLResponse, RedirectResponse

from ripieno.domain.errors import NotFound
from ripieno.domain.jsons import JsonObject
from ripieno.server.errors import KINDS

router = APIRouter(include_in_schema=False)

STYLE = """
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{max-width:60rem;margin:2rem auto;padding:0 1rem}
code{font-family:ui-monospace,monospace}
dt{margin-top:1rem}dd{margin:0 0 0 1rem}
h2{margin-top:2.5rem;text-transform:capitalize}
"""


@router.get("/")
async def get_root(request: Request) -> Response:
    """A browser goes to the console, a program gets the addresses."""
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse("/console", 303)
    return Response('{"api":"/v1","docs":"/docs","openapi":"/openapi.json"}', media_type="application/json")


@router.get("/console")
async def get_console() -> Response:
    """Where the console will be."""
    text = '<p>This version has no web console. The API is described at <a href="/docs">/docs</a>.</p>'
    return HTMLResponse(page("Console", text))


@router.get("/docs")
async def get_docs(request: Request) -> Response:
    """Every operation of the API on one page that loads nothing from elsewhere."""
    app: FastAPI = request.app
    return HTMLResponse(page("API", _operations(app.openapi())))


@router.get("/problems/{code}")
async def get_problem(code: str) -> Response:
    """What an error code means."""
    if code not in KINDS:
        raise NotFound("problem", code)
    kind = KINDS[code]
    return HTMLResponse(page(code, f"<p>{escape(kind.title)}.</p><p>HTTP status {kind.status}.</p>"))


def page(title: str, body: str) -> str:
    """A page around a body of trusted HTML."""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)} · Ripieno</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style>'
        f"<h1>{escape(title)}</h1>{body}</html>"
    )


def _operations(document: JsonObject) -> str:
    by_tag: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            by_tag.setdefault(operation["tags"][0], []).append(_operation(path, method, operation))
    sections = (f"<h2>{escape(tag)}</h2><dl>{''.join(items)}</dl>" for tag, items in by_tag.items())
    intro = '<p>The whole contract, for programs: <a href="/openapi.json">/openapi.json</a> (OpenAPI 3.1).</p>'
    return intro + "".join(sections)


def _operation(path: str, method: str, operation: JsonObject) -> str:
    names = [parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query"]
    query = f"<br><small>?{escape(', '.join(names))}</small>" if names else ""
    head = f"<dt><code><b>{method.upper()}</b> {escape(path)}</code>{query}</dt>"
    return f"{head}<dd>{escape(operation.get('description', ''))}</dd>"

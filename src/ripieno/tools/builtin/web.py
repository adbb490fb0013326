"""The toolset `web`. All requests go through the client it is given, which is the guarded one."""

import json
from collections.abc import Awaitable, Callable

import httpx2

from ripieno.domain.effects import EffectClass
from ripieno.domain.errors import Denied
from ripieno.domain.tools import ToolResult
from ripieno.tools.builtin import readable
from ripieno.tools.builtin.wording import counted, report, size
from ripieno.tools.failures import ToolFailed
from ripieno.tools.functions import tool

SECONDS = 25.0
MOST_BYTES = 3_000_000
MOST_CHARACTERS = 40_000

_HTML = {"text/html", "application/xhtml+xml"}
_TEXTS = {"application/xml", "application/javascript", "application/yaml", "application/x-yaml", "application/toml"}
_HEADERS = {"accept": "text/html, application/json, text/*;q=0.9, */*;q=0.5", "user-agent": "ripieno"}


def fetch_tool(client: httpx2.AsyncClient) -> Callable[..., Awaitable[ToolResult]]:
    """`fetch`."""

    @tool(
        effect=EffectClass.READ,
        timeout=40,
        keywords=("fetch", "web page", "website", "url", "download", "read page", "http"),
    )
    async def fetch(url: str) -> ToolResult:
        """Fetch a web page and return it as readable text; JSON and plain text come as they are.

        Args:
            url: An http or https address.
        """
        try:
            return await _fetch(client, _address(url))
        except Denied:
            raise
        except httpx2.TimeoutException:
            raise ToolFailed(f"{url} did not answer in time.") from None
        except httpx2.TooManyRedirects:
            raise ToolFailed(f"{url} redirects without end.") from None
        except httpx2.InvalidURL:
            raise ToolFailed(f"{url} is not a web address.") from None
        except httpx2.ConnectError:
            raise ToolFailed(f"{url} cannot be reached: no connection could be made.") from None
        except httpx2.HTTPError:
            raise ToolFailed(f"{url} answered with something that is not proper HTTP, or broke off.") from None

    return fetch


def _address(url: str) -> httpx2.URL:
    text = url.strip()
    address = httpx2.URL(text if "://" in text else f"https://{text}")
    if address.scheme not in {"http", "https"} or not address.host:
        raise ToolFailed(f"{url} is not a web address.", "Only http and https addresses can be fetched.")
    return address


async def _fetch(client: httpx2.AsyncClient, address: httpx2.URL) -> ToolResult:
    async with client.stream("GET", address, headers=_HEADERS, follow_redirects=True, timeout=SECONDS) as response:
        kind = response.headers.get("content-type", "text/plain").partition(";")[0].strip().lower()
        content, cut = await _content(response)
    where = str(response.url)
    if response.is_error:
        raise ToolFailed(f"{where} answered {response.status_code} {response.reason_phrase}.".replace(" .", "."))
    data = {"url": where, "status": response.status_code, "content_type": kind, "bytes": len(content), "cut": cut}
    if not _is_text(kind, content):
        return report([f"{where} is {kind or 'data'}, {size(len(content))}; it is no text, so it is not shown"], data)
    title, text = _readable(kind, _decoded(response, content))
    head = f"{where}: {title}" if title else where
    if cut or len(text) > MOST_CHARACTERS:
        head += f" (only the first {counted(min(len(text), MOST_CHARACTERS), 'character')})"
    return report([head, text[:MOST_CHARACTERS]], {**data, "title": title})


async def _content(response: httpx2.Response) -> tuple[bytes, bool]:
    kept = bytearray()
    async for chunk in response.aiter_bytes():
        kept += chunk
        if len(kept) > MOST_BYTES:
            return bytes(kept[:MOST_BYTES]), True
    return bytes(kept), False


def _is_text(kind: str, content: bytes) -> bool:
    named = kind.startswith("text/") or kind.endswith(("json", "+xml")) or kind in _TEXTS
    return (named or not kind) and b"\0" not in content[:4096]


def _decoded(response: httpx2.Response, content: bytes) -> str:
    try:
        return content.decode(response.charset_encoding or "utf-8", "replace")
    except (LookupError, UnicodeError):  # the server names an encoding that there is not
        return content.decode("utf-8", "replace")


def _readable(kind: str, text: str) -> tuple[str, str]:
    """Title and text."""
    if kind in _HTML:
        page = readable.read(text)
        return page.title, page.text
    if kind.endswith("json"):
        try:
            return "", json.dumps(json.loads(text), ensure_ascii=False, indent=1)
        except (ValueError, RecursionError):
            return "", text
    return "", text

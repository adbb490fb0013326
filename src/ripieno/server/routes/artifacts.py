"""Artifacts: upload, look which there are, download, delete."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field
from starlette.datastructures import UploadFile
from starlette.responses import StreamingResponse

from ripieno.domain.artifacts import Artifact, ArtifactFilter, NewArtifact
from ripieno.domain.errors import Problem
from ripieno.domain.principals import Principal
from ripieno.ports import Artifacts
from ripieno.server import answers, ranges
from ripieno.server.answers import PageQuery
from ripieno.server.errors import ServerProblem
from ripieno.server.idempotency import IdempotentRoute
from ripieno.server.ranges import ByteRange, Unsatisfiable
from ripieno.server.services import Caller, Served, Services
from ripieno.server.shapes.artifacts import ArtifactPage, ArtifactView, disposition, file_name, media_type

router = APIRouter(tags=["artifacts"], route_class=IdempotentRoute)

PIECE = 1 << 20
MULTIPART = "multipart/form-data"

BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "*/*": {"schema": {"type": "string", "format": "binary"}},
            MULTIPART: {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "required": ["file"],
                }
            },
        },
    }
}


@router.post("/artifacts", status_code=201, response_model=ArtifactView, openapi_extra=BODY)
async def create_artifact(
    request: Request,
    services: Served,
    principal: Caller,
    name: Annotated[str | None, Query(description="The file's name, where the body is the file itself.")] = None,
) -> Response:
    """Keep a file: the body itself, with its Content-Type, or the part `file` of a multipart form."""
    given = media_type(request.headers.get("content-type"))
    if given == MULTIPART:
        artifact = await _from_form(request, services, principal, name)
    else:
        new = NewArtifact(principal.tenant, file_name(name or ""), given, principal.id)
        artifact = await services.artifacts.put(new, request.stream())
    location = {"location": f"/v1/artifacts/{artifact.id}"}
    return answers.json(ArtifactView.of(artifact), 201, location)


async def _from_form(request: Request, services: Services, principal: Principal, name: str | None) -> Artifact:
    async with request.form(max_files=1, max_fields=20) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise ServerProblem("invalid", "the form has no file", [Problem("/file", "a file is needed")])
        called = file_name(name or file.filename or "")
        new = NewArtifact(principal.tenant, called, media_type(file.content_type), principal.id)
        return await services.artifacts.put(new, _pieces(file))


async def _pieces(file: UploadFile) -> AsyncIterator[bytes]:
    while piece := await file.read(PIECE):
        yield piece


class ArtifactQuery(PageQuery):
    """Which artifacts."""

    run_id: str | None = Field(default=None, description="Those that this run brought.")


@router.get("/artifacts", response_model=ArtifactPage)
async def list_artifacts(
    query: Annotated[ArtifactQuery, Query()], request: Request, services: Served, principal: Caller
) -> Response:
    """Files that are kept, newest first."""
    which = ArtifactFilter(query.run_id)
    found = await services.artifacts.page(principal.tenant, which, query.limit + 1, query.cursor)
    page, more = answers.cut(found, query.limit)
    next_cursor = page[-1].id if more else None
    body = ArtifactPage(data=[ArtifactView.of(artifact) for artifact in page], next_cursor=next_cursor)
    return answers.json(body, headers=answers.next_link(request, cursor=next_cursor))


@router.get("/artifacts/{artifact_id}", response_model=ArtifactView)
async def get_artifact(artifact_id: str, services: Served, principal: Caller) -> Response:
    """What is known of a file."""
    return answers.json(ArtifactView.of(await services.artifacts.get(principal.tenant, artifact_id)))


@router.get("/artifacts/{artifact_id}/content", response_class=Response)
async def get_artifact_content(artifact_id: str, request: Request, services: Served, principal: Caller) -> Response:
    """The file itself, to be saved; `Range` asks for a part of it."""
    artifact = await services.artifacts.get(principal.tenant, artifact_id)
    etag = f'"{artifact.sha256}"'
    headers = {"etag": etag, "accept-ranges": "bytes", "content-disposition": disposition(artifact.name)}
    if _is_known(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    wanted = request.headers.get("range")
    if request.headers.get("if-range") not in {None, etag}:
        wanted = None
    try:
        part = ranges.asked(wanted, artifact.size)
    except Unsatisfiable:
        return Response(status_code=416, headers={**headers, "content-range": f"bytes */{artifact.size}"})
    status = 206 if part else 200
    headers |= {"content-range": part.header} if part else {}
    part = part or ByteRange(0, artifact.size, artifact.size)
    headers["content-length"] = str(part.length)
    return StreamingResponse(_content(services.artifacts, artifact, part), status, headers, artifact.media_type)


@router.delete("/artifacts/{artifact_id}", status_code=204, response_class=Response)
async def delete_artifact(artifact_id: str, services: Served, principal: Caller) -> Response:
    """Forget a file. Runs that refer to it cannot read it any more."""
    await services.artifacts.delete(principal, artifact_id)
    return Response(status_code=204)


def _is_known(header: str | None, etag: str) -> bool:
    names = [name.strip().removeprefix("W/") for name in (header or "").split(",")]
    return etag in names or "*" in names


async def _content(artifacts: Artifacts, artifact: Artifact, part: ByteRange) -> AsyncIterator[bytes]:
    end = part.offset + part.length
    for offset in range(part.offset, end, PIECE):
        yield await artifacts.read(artifact.tenant, artifact.id, offset, min(PIECE, end - offset))

"""Performs the tools that read artifacts. An agent reads what its own run, or one of the same family, was told of."""

import asyncio
import re
from collections.abc import Iterator

from ripieno.domain.artifacts import Artifact, ArtifactFilter, ArtifactRef, is_text
from ripieno.domain.entries import EntryType
from ripieno.domain.errors import NotFound
from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.tools import ToolResult, ToolStatus
from ripieno.engine.core.handles import LIST, LONGEST_READ, MOST_HITS, SEARCH
from ripieno.engine.leg import Leg
from ripieno.ports import Artifacts, Records

LINES = 200
AROUND = 150
MANY = 200


class ReadingPerformer:
    """Reads, searches and lists artifacts for runs."""

    def __init__(self, artifacts: Artifacts, records: Records) -> None:
        self._artifacts = artifacts
        self._records = records

    async def perform(self, leg: Leg, name: str, arguments: JsonObject) -> ToolResult:
        """The result; what the run may not read is not found."""
        if name == LIST.name:
            return _listed(await self._theirs(leg))
        try:
            artifact = await self._allowed(leg, arguments["id"])
            if not is_text(artifact.media_type):
                text = f"{artifact.name} is {artifact.media_type} and cannot be read as text"
                return ToolResult(ToolStatus.ERROR, text)
            if name == SEARCH.name:
                whole = await self._artifacts.read(leg.run.tenant, artifact.id)
                return await asyncio.to_thread(_searched, whole, arguments)
            return await self._read(artifact, arguments)
        except NotFound as missing:
            return ToolResult(ToolStatus.ERROR, missing.detail, hint="artifact.list tells what there is")

    async def _read(self, artifact: Artifact, arguments: JsonObject) -> ToolResult:
        if "line" in arguments or "lines" in arguments:
            whole = await self._artifacts.read(artifact.tenant, artifact.id)
            return await asyncio.to_thread(_lines, whole, arguments)
        offset = arguments.get("offset", 0)
        data = await self._artifacts.read(artifact.tenant, artifact.id, offset, arguments.get("length", LONGEST_READ))
        return ToolResult(ToolStatus.OK, _part(data, offset, artifact.size))

    # -- what may be read ----------------------------------------------------------------------------------------

    async def _allowed(self, leg: Leg, artifact_id: str) -> Artifact:
        artifact = await self._artifacts.get(leg.run.tenant, artifact_id)
        if any(known.id == artifact_id for known in _told(leg)) or await self._of_family(leg, artifact):
            return artifact
        raise NotFound("artifact", artifact_id)

    async def _of_family(self, leg: Leg, artifact: Artifact) -> bool:
        if artifact.run_id is None:
            root = await self._records.run(leg.run.tenant, leg.run.root_id)
            return any(file.id == artifact.id for file in root.input.attachments)
        maker = await self._records.run(leg.run.tenant, artifact.run_id)
        return maker.root_id == leg.run.root_id

    async def _theirs(self, leg: Leg) -> list[ArtifactRef]:
        made = await self._artifacts.page(leg.run.tenant, ArtifactFilter(leg.run.id), MANY)
        found = {ref.id: ref for ref in (*_told(leg), *(artifact.ref for artifact in reversed(made)))}
        return list(found.values())


def _told(leg: Leg) -> Iterator[ArtifactRef]:
    """What the run was told of: in its goal, and in results, which a fork has from the run before it."""
    yield from leg.run.input.attachments
    for entry in leg.recorded.values():
        if entry.type is EntryType.TOOL_RETURNED:
            for ref in entry.body["result"].get("artifacts", ()):
                yield ArtifactRef(**ref)


def _listed(found: list[ArtifactRef]) -> ToolResult:
    data: list[Json] = [
        {"id": ref.id, "name": ref.name, "media_type": ref.media_type, "size": ref.size} for ref in found[-MANY:]
    ]
    lines = [f"{ref.id}: {ref.name}, {ref.media_type}, {ref.size:,} bytes" for ref in found[-MANY:]]
    return ToolResult(ToolStatus.OK, "\n".join(lines) or "This run has no artifacts.", data)


def _part(data: bytes, offset: int, size: int) -> str:
    if not data:
        return f"[nothing there: it has {size} bytes]"
    end = offset + len(data)
    rest = f"; go on with offset {end}" if end < size else ", the end"
    return f"{data.decode(errors='replace')}\n[bytes {offset} to {end} of {size}{rest}]"


def _lines(whole: bytes, arguments: JsonObject) -> ToolResult:
    """Some lines, no longer together than what may be read at once."""
    first, many = arguments.get("line", 1), arguments.get("lines", LINES)
    lines = whole.decode(errors="replace").splitlines()
    some: list[str] = []
    room = LONGEST_READ
    for line in lines[first - 1 : first - 1 + many]:
        cut = line if some else line[:LONGEST_READ]
        room -= len(cut.encode()) + 1
        if some and room < 0:
            break
        some.append(cut)
    if not some:
        return ToolResult(ToolStatus.OK, f"[nothing there: it has {len(lines)} lines]")
    last = first + len(some) - 1
    rest = f"; go on with line {last + 1}" if last < len(lines) else ", the end"
    text = "\n".join(some)
    return ToolResult(ToolStatus.OK, f"{text}\n[lines {first} to {last} of {len(lines)}{rest}]")


def _searched(whole: bytes, arguments: JsonObject) -> ToolResult:
    limit, start = arguments.get("limit", 20), arguments.get("offset", 0)
    flags = re.IGNORECASE if arguments.get("ignore_case") else 0
    wanted = re.compile(re.escape(arguments["text"].encode()), flags)
    hits: list[str] = []
    line, seen = whole.count(b"\n", 0, start) + 1, start
    for found in wanted.finditer(whole, start):
        if len(hits) == min(limit, MOST_HITS):
            hits.append(f"[more from byte {found.start()} on]")
            break
        line += whole.count(b"\n", seen, found.start())
        seen = found.start()
        hits.append(f"line {line}, byte {found.start()}: {_around(whole, found.start(), found.end())}")
    return ToolResult(ToolStatus.OK, "\n".join(hits) or "[not found]")


def _around(whole: bytes, start: int, end: int) -> str:
    """The line of a hit, or what is near in a long one."""
    first = max(whole.rfind(b"\n", 0, start) + 1, start - AROUND)
    after = whole.find(b"\n", end)
    last = min(len(whole) if after < 0 else after, end + AROUND)
    return whole[first:last].decode(errors="replace").strip()

"""The ring that keeps results readable: what is too long or no text is kept as an artifact, of which a model is told.

It is the outermost ring around tools: what it keeps has been validated, and secrets have been taken out of it.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import replace

from ripieno.domain import ids
from ripieno.domain.artifacts import ArtifactRef, Blob, NewArtifact, told
from ripieno.domain.errors import RipienoError
from ripieno.domain.jsons import Json
from ripieno.domain.tools import ToolCall, ToolContext, ToolResult, ToolSpec
from ripieno.ports import Artifacts, Toolset

log = logging.getLogger(__name__)

_SAMPLE = 4096  # characters looked at to tell text from binary
_HINT = 1000  # characters
_CONTROLS = dict.fromkeys([*range(9), 11, 12, *range(14, 27), *range(28, 32), *range(127, 160), 0xFFFD])
_ENDINGS = {"text/plain": "txt", "application/json": "json"}


class BoundedToolset:
    """Cuts the text of results to `max_bytes` of UTF-8 and drops structured values that are larger than that.

    In a run the whole is kept as an artifact, and so are files that came with a result. Outside any run nothing is.
    """

    def __init__(self, inner: Toolset, max_bytes: int, artifacts: Artifacts) -> None:
        self._inner = inner
        self._max_bytes = max_bytes
        self._artifacts = artifacts

    async def list(self, context: ToolContext) -> Sequence[ToolSpec]:
        return await self._inner.list(context)

    async def call(self, call: ToolCall, context: ToolContext) -> ToolResult:
        whole = await self._inner.call(call, context)
        cut = replace(bounded(whole, self._max_bytes), content=())
        files = [*_left_out(call, whole, cut), *whole.content]
        if not files:
            return cut
        kept = [await self._keep(blob, at, context) for at, blob in enumerate(files)]
        lines = "\n".join(line for line, _ in kept)
        room = max(0, self._max_bytes - len(lines.encode()) - 1)
        text = cut.text if len(cut.text.encode()) <= room else trimmed(whole.text.encode(errors="replace"), room)
        artifacts = tuple(ref for _, ref in kept if ref is not None)
        return replace(cut, text=f"{text}\n{lines}" if text else lines, artifacts=(*whole.artifacts, *artifacts))

    async def _keep(self, blob: Blob, at: int, context: ToolContext) -> tuple[str, ArtifactRef | None]:
        """A line about a file that came with a result, and where it is kept."""
        described = f"{blob.media_type}, {len(blob.data):,} bytes"
        if not context.run_id:
            return f"[{described}, not kept outside runs]", None
        new = NewArtifact(
            tenant=context.tenant,
            name=blob.name or f"file-{at + 1}",
            media_type=blob.media_type,
            created_by=context.agent or "tool",
            run_id=context.run_id,
            id=ids.derive(ids.ARTIFACT, context.run_id, f"{context.key}/{context.attempt}/{at}"),
        )
        try:
            artifact = await self._artifacts.put(new, blob.data)
        except (RipienoError, OSError) as error:
            # The call has been made: that its result could not be kept must not look as if it had not.
            log.warning("a result could not be kept", extra={"reason": str(error), "run_id": context.run_id})
            return f"[{described}, which could not be kept]", None
        return told(artifact.ref), artifact.ref


def bounded(result: ToolResult, max_bytes: int) -> ToolResult:
    """The result within `max_bytes`; `total_bytes` tells how long its text was."""
    raw = result.text.encode(errors="replace")  # half surrogates, which no file or wire takes
    total = max(len(raw), result.total_bytes)
    text = f"<{total} bytes of binary data, not shown>" if _is_binary(result.text) else trimmed(raw, max_bytes)
    data = _small(result.data, max_bytes)
    return replace(
        result,
        text=text,
        data=data,
        hint=result.hint and result.hint[:_HINT],
        truncated=result.truncated or len(raw) > max_bytes or (data is None) != (result.data is None),
        total_bytes=total,
    )


def trimmed(raw: bytes, max_bytes: int) -> str:
    """UTF-8 text cut to at most `max_bytes`: its first two thirds and its end, with a line between that says so."""
    if len(raw) <= max_bytes:
        return raw.decode()
    room = max(0, max_bytes - len(_marker(len(raw), len(raw)).encode()))
    head = room * 2 // 3
    tail = len(raw) - (room - head)
    return raw[:head].decode(errors="ignore") + _marker(tail - head, len(raw)) + raw[tail:].decode(errors="ignore")


def _left_out(call: ToolCall, whole: ToolResult, cut: ToolResult) -> list[Blob]:
    """What a model does not see of a result: its text where it is too long, else its structured value."""
    text = whole.text.encode(errors="replace")
    if len(text) > len(cut.text.encode()) and not _is_binary(whole.text):
        return [_blob(call, text, "text/plain")]
    if cut.data is None and (value := _json(whole.data)) is not None:
        return [_blob(call, value, "application/json")]
    return []


def _blob(call: ToolCall, data: bytes, media_type: str) -> Blob:
    return Blob(data, media_type, f"{call.name}.{_ENDINGS[media_type]}")


def _marker(left_out: int, total: int) -> str:
    return f"\n[… {left_out} of {total} bytes left out …]\n"


def _small(data: Json, max_bytes: int) -> Json:
    """The value, or None if it is too large or no JSON."""
    value = _json(data)
    return data if value is not None and len(value) <= max_bytes else None


def _json(data: Json) -> bytes | None:
    """The value as JSON text; None where there is none, or it is no JSON."""
    if data is None:
        return None
    try:
        return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError):
        return None


def _is_binary(text: str) -> bool:
    sample = text[:_SAMPLE]
    if "\0" in sample:
        return True
    return len(sample) - len(sample.translate(_CONTROLS)) > len(sample) // 10

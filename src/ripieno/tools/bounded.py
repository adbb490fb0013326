"""The ring that keeps results readable: what is too long is cut in the middle, what is no text is described."""

import json
from collections.abc import Sequence
from dataclasses import replace

from ripieno.domain.jsons import Json
from ripieno.domain.tools import ToolCall, ToolContext, ToolResult, ToolSpec
from ripieno.ports import Toolset

_SAMPLE = 4096  # characters looked at to tell text from binary
_HINT = 1000  # characters
_CONTROLS = dict.fromkeys([*range(9), 11, 12, *range(14, 27), *range(28, 32), *range(127, 160), 0xFFFD])


class BoundedToolset:
    """Cuts the text of results to `max_bytes` of UTF-8 and drops structured values that are larger than that."""

    def __init__(self, inner: Toolset, max_bytes: int) -> None:
        self._inner = inner
        self._max_bytes = max_bytes

    async def list(self, context: ToolContext) -> Sequence[ToolSpec]:
        return await self._inner.list(context)

    async def call(self, call: ToolCall, context: ToolContext) -> ToolResult:
        return bounded(await self._inner.call(call, context), self._max_bytes)


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


def _marker(left_out: int, total: int) -> str:
    return f"\n[… {left_out} of {total} bytes left out …]\n"


def _small(data: Json, max_bytes: int) -> Json:
    """The value, or None if it is too large or no JSON."""
    if data is None:
        return None
    try:
        size = len(json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode())
    except (TypeError, ValueError, RecursionError):
        return None
    return data if size <= max_bytes else None


def _is_binary(text: str) -> bool:
    sample = text[:_SAMPLE]
    if "\0" in sample:
        return True
    return len(sample) - len(sample.translate(_CONTROLS)) > len(sample) // 10

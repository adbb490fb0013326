"""The ring that remembers how tools did: how many calls, how many failed, how long they took, what went wrong last."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ripieno.domain.tools import UNMADE, ToolCall, ToolContext, ToolResult, ToolSpec, ToolStatus
from ripieno.ports import Clock, Toolset

REMEMBERED = 200
"""Calls of a tool whose time is known."""

RECENT = 10

LONGEST_ERROR = 300

MOST_TOOLS = 20_000


@dataclass(slots=True)
class ToolHistory:
    """How a tool did in this process since it started."""

    calls: int = 0
    failures: int = 0
    last_used: datetime | None = None
    last_error: str | None = None
    recent: deque[bool] = field(default_factory=lambda: deque(maxlen=RECENT))
    """Of the last calls, whether they worked."""
    took: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def percentile(self, share: float) -> float | None:
        """Milliseconds in which that share of the last calls ended."""
        if not self.took:
            return None
        ordered = sorted(self.took)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Histories:
    """The histories of all tools."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], ToolHistory] = {}

    def of(self, tenant: str, tool: str) -> ToolHistory:
        """That of one tool."""
        return self._kept.get((tenant, tool)) or ToolHistory()

    def note(self, tenant: str, tool: str, result: ToolResult, at: datetime, ms: float) -> None:
        """Remember a call that was made."""
        if len(self._kept) >= MOST_TOOLS and (tenant, tool) not in self._kept:
            del self._kept[next(iter(self._kept))]
        history = self._kept.setdefault((tenant, tool), ToolHistory())
        history.calls += 1
        history.last_used = at
        history.took.append(ms)
        worked = result.status in {ToolStatus.OK, ToolStatus.INPUT_REQUIRED}
        history.recent.append(worked)
        if not worked:
            history.failures += 1
            history.last_error = f"{result.status.value}: {result.text}"[:LONGEST_ERROR]


SAY_NOTHING = UNMADE | {ToolStatus.INVALID_ARGUMENTS, ToolStatus.UNKNOWN_TOOL}
"""Results of calls that did not reach the tool."""


class WatchedToolset:
    """Remembers each call that was made."""

    def __init__(self, inner: Toolset, histories: Histories, clock: Clock) -> None:
        self._inner = inner
        self._histories = histories
        self._clock = clock

    async def list(self, context: ToolContext) -> Sequence[ToolSpec]:
        return await self._inner.list(context)

    async def call(self, call: ToolCall, context: ToolContext) -> ToolResult:
        began = self._clock.monotonic()
        result = await self._inner.call(call, context)
        if result.status not in SAY_NOTHING:
            ms = round((self._clock.monotonic() - began) * 1000, 1)
            self._histories.note(context.tenant, call.name, result, self._clock.now(), ms)
        return result

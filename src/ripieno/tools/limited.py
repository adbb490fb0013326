"""The ring that makes no more calls at once, and no more in a minute, than administrators allow."""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import AsyncExitStack

from ripieno.domain.tool_rules import ToolRule
from ripieno.domain.tools import ToolCall, ToolContext, ToolResult, ToolSpec, ToolStatus
from ripieno.ports import Clock, Toolset
from ripieno.tools.rules import ToolRules
from ripieno.tools.specs import SpecIndex

MINUTE = 60.0
LONGEST_WAIT = 10.0
"""Seconds that a call waits for its turn; one that would wait longer is told when to come again."""


class LimitedToolset:
    """Lets calls wait for their turn for a while, and answers those that would wait too long.

    The limits of a toolset are shared by its tools. They are counted in this process.
    """

    def __init__(self, inner: Toolset, rules: ToolRules, clock: Clock) -> None:
        self._inner = inner
        self._rules = rules
        self._clock = clock
        self._specs = SpecIndex(inner)
        self._lanes: dict[tuple[str, str], _Lane] = {}

    async def list(self, context: ToolContext) -> Sequence[ToolSpec]:
        return await self._inner.list(context)

    async def call(self, call: ToolCall, context: ToolContext) -> ToolResult:
        lanes = [
            (self._lane(context.tenant, name), rule)
            for name in dict.fromkeys((call.name.partition(".")[0], call.name))
            if (rule := self._rules.said(context.tenant, name)).concurrency or rule.per_minute
        ]
        if not lanes:
            return await self._inner.call(call, context)
        until = self._clock.monotonic() + await self._patience(call, context)
        for lane, rule in lanes:
            wait = lane.wait(rule.per_minute, self._clock.monotonic())
            if wait > until - self._clock.monotonic():
                return rate_limited(call.name, wait)
            if wait:
                await self._clock.sleep(wait)
        async with AsyncExitStack() as turns:
            for lane, rule in lanes:
                patience = max(0.0, until - self._clock.monotonic())
                if not await lane.enter(rule, patience, self._clock):
                    return rate_limited(call.name, lane.wait(rule.per_minute, self._clock.monotonic()))
                turns.push_async_callback(lane.leave)
            return await self._inner.call(call, context)

    def _lane(self, tenant: str, name: str) -> "_Lane":
        return self._lanes.setdefault((tenant, name), _Lane())

    async def _patience(self, call: ToolCall, context: ToolContext) -> float:
        """Seconds that a call may wait: half its time at most, so that the other half is left for its work."""
        spec = await self._specs.find(call.name, context)
        most = min(LONGEST_WAIT, spec.timeout / 2 if spec else LONGEST_WAIT)
        if context.deadline is None:
            return most
        return max(0.0, min(most, (context.deadline - self._clock.now()).total_seconds()))


class _Lane:
    def __init__(self) -> None:
        self._began: deque[float] = deque()
        self._under_way = 0
        self._left = asyncio.Condition()

    def wait(self, per_minute: int | None, now: float) -> float:
        """Seconds until another call may begin."""
        while self._began and self._began[0] <= now - MINUTE:
            self._began.popleft()
        if per_minute is None or len(self._began) < per_minute:
            return 0.0
        return self._began[-per_minute] + MINUTE - now

    async def enter(self, rule: ToolRule, patience: float, clock: Clock) -> bool:
        """Take a turn; False where there is none in time. `leave` ends it."""
        async with self._left:
            try:
                async with asyncio.timeout(patience):
                    await self._left.wait_for(lambda: self._has_room(rule))
            except TimeoutError:
                return False
            if self.wait(rule.per_minute, clock.monotonic()):
                return False  # others were quicker
            self._under_way += 1
            if rule.per_minute is not None:
                self._began.append(clock.monotonic())
        return True

    async def leave(self) -> None:
        """Let others have the turn."""
        async with self._left:
            self._under_way -= 1
            self._left.notify_all()

    def _has_room(self, rule: ToolRule) -> bool:
        return rule.concurrency is None or self._under_way < rule.concurrency


def rate_limited(tool: str, seconds: float) -> ToolResult:
    """The result of a call whose turn does not come in time."""
    told = max(1, round(seconds + 0.5))
    text = f"{tool} was not called: it may not be called this often. It may be called again in {told} s."
    return ToolResult(ToolStatus.RATE_LIMITED, text, {"retry_after": told}, hint=f"try again after {told} s")

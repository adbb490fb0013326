"""The ring that leaves a tool alone for a while when what stands behind it does not answer."""

import contextlib
import math
from collections.abc import Sequence
from typing import Protocol

from ripieno.domain.breakers import Breaker
from ripieno.domain.errors import Unavailable
from ripieno.domain.tools import ToolCall, ToolContext, ToolResult, ToolSpec, ToolStatus
from ripieno.ports import Toolset

FAILURES = frozenset({ToolStatus.UNAVAILABLE, ToolStatus.TIMEOUT, ToolStatus.LOST})
ANSWERS = frozenset({ToolStatus.OK, ToolStatus.ERROR, ToolStatus.INVALID_RESULT, ToolStatus.INPUT_REQUIRED})
"""Results that say that something is there. All others say nothing about it."""


class Breakers(Protocol):
    """Circuit breakers by key, shared by all processes of a platform; the rules are `domain.breakers`."""

    async def admit(self, key: str) -> float | None:
        """None where a call may be made, else the seconds after which to ask again. Half open, it admits one probe."""
        ...

    async def succeeded(self, key: str) -> None:
        """A call that was admitted worked."""
        ...

    async def failed(self, key: str) -> Breaker:
        """A call that was admitted did not; answers how the breaker stands."""
        ...

    async def all(self) -> Sequence[Breaker]:
        """Those that are not at rest, by key."""
        ...


class BrokenToolset:
    """A circuit breaker for each tool of each tenant, shared by all processes."""

    def __init__(self, inner: Toolset, breakers: Breakers) -> None:
        self._inner = inner
        self._breakers = breakers

    async def list(self, context: ToolContext) -> Sequence[ToolSpec]:
        return await self._inner.list(context)

    async def call(self, call: ToolCall, context: ToolContext) -> ToolResult:
        key = breaker_key(context.tenant, call.name)
        try:
            wait = await self._breakers.admit(key)
        except Unavailable:  # nobody knows how it stands, so it is as if nothing had happened
            wait = None
        if wait is not None:
            return left_alone(call.name, wait)
        result = await self._inner.call(call, context)
        with contextlib.suppress(Unavailable):
            await self._note(key, result)
        return result

    async def _note(self, key: str, result: ToolResult) -> None:
        if result.status in FAILURES:
            await self._breakers.failed(key)
        elif result.status in ANSWERS:
            await self._breakers.succeeded(key)


def breaker_key(tenant: str, tool: str) -> str:
    """The name of a tool's breaker."""
    return f"tool:{tenant}:{tool}"


def left_alone(tool: str, seconds: float) -> ToolResult:
    """The result of a call that is not made, because many before it failed."""
    told = math.ceil(seconds)
    text = f"{tool} was not called: it failed too often and is left alone for {told} s."
    return ToolResult(ToolStatus.UNAVAILABLE, text, {"retry_after": told}, hint=f"try again after {told} s")

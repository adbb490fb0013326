"""The ring that lets no tool run too long, and no exception out."""

import asyncio
from collections.abc import Sequence

from ripieno.domain.effects import EffectClass
from ripieno.domain.tools import ToolCall, ToolContext, ToolResult, ToolSpec, ToolStatus
from ripieno.ports import Clock, Toolset
from ripieno.tools.failures import failed
from ripieno.tools.specs import SpecIndex

DEFAULT_SECONDS = 60.0
"""For tools that the toolset does not list."""


class TimedToolset:
    """Gives each call the time its tool declares, or what is left of the run's if that is less.

    Whatever the tool raises becomes a typed result. Cancellation passes through.
    """

    def __init__(self, inner: Toolset, clock: Clock) -> None:
        self._inner = inner
        self._clock = clock
        self._specs = SpecIndex(inner)

    async def list(self, context: ToolContext) -> Sequence[ToolSpec]:
        return await self._inner.list(context)

    async def call(self, call: ToolCall, context: ToolContext) -> ToolResult:
        try:
            spec = await self._specs.find(call.name, context)
        except Exception as error:  # noqa: BLE001 - a toolset that cannot list is an outcome of the call
            return failed(call.name, error)
        seconds = self._seconds(spec, context)
        if seconds <= 0:
            return ToolResult(ToolStatus.NOT_SENT, f"{call.name} was not called: the run's time is up.")
        timer = asyncio.timeout(seconds)
        try:
            async with timer:
                return await self._inner.call(call, context)
        except Exception as error:  # noqa: BLE001 - whatever a tool raises is an outcome of the call
            if timer.expired() and isinstance(error, TimeoutError):
                return late(call.name, spec, seconds)
            return failed(call.name, error, spec.effect if spec else EffectClass.IRREVERSIBLE)

    def _seconds(self, spec: ToolSpec | None, context: ToolContext) -> float:
        seconds = spec.timeout if spec else DEFAULT_SECONDS
        if context.deadline is None:
            return seconds
        return min(seconds, (context.deadline - self._clock.now()).total_seconds())


def late(name: str, spec: ToolSpec | None, seconds: float) -> ToolResult:
    """The result of a call that did not answer in time."""
    text = f"{name} did not answer within {seconds:.3g} s."
    if spec is None or spec.effect is not EffectClass.READ:
        text += " It is not known whether it took effect."
    return ToolResult(ToolStatus.TIMEOUT, text)

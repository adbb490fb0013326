"""The ring that calls again what did not work and can do no harm twice."""

import random
from collections.abc import Sequence

from ripieno.domain.effects import EffectClass
from ripieno.domain.tools import ToolCall, ToolContext, ToolResult, ToolSpec, ToolStatus
from ripieno.ports import Clock, Toolset
from ripieno.tools.rules import ToolRules
from ripieno.tools.specs import SpecIndex

SAFE = frozenset({EffectClass.READ, EffectClass.IDEMPOTENT})

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0


class RetriedToolset:
    """Calls up to `attempts` times what reads or is idempotent, as long as it answers that it is unavailable.

    An idempotent call keeps its key, so that the other side knows the second from a new one. Calls whose end nobody saw
    are left to the ledger. A result that says what to do about it (when to come again, what to install) is obeyed.
    Pauses grow, with a part that chance decides, so that many do not come back together.
    """

    def __init__(self, inner: Toolset, rules: ToolRules, clock: Clock, attempts: int = 1) -> None:
        self._inner = inner
        self._rules = rules
        self._clock = clock
        self._attempts = attempts
        self._specs = SpecIndex(inner)
        self._chance = random.Random()  # noqa: S311 - spreads load, hides nothing

    async def list(self, context: ToolContext) -> Sequence[ToolSpec]:
        return await self._inner.list(context)

    async def call(self, call: ToolCall, context: ToolContext) -> ToolResult:
        attempts = self._rules.of(context.tenant, call.name).attempts or self._attempts
        result = await self._inner.call(call, context)
        if attempts == 1 or not await self._is_safe(call, context):
            return result
        for attempt in range(1, attempts):
            pause = min(FIRST_PAUSE * 2 ** (attempt - 1), LONGEST_PAUSE) * (0.5 + self._chance.random())
            if not _is_passing(result) or not self._may_wait(pause, context):
                break
            await self._clock.sleep(pause)
            result = await self._inner.call(call, context)
        return result

    async def _is_safe(self, call: ToolCall, context: ToolContext) -> bool:
        spec = await self._specs.find(call.name, context)
        return spec is not None and spec.effect in SAFE

    def _may_wait(self, pause: float, context: ToolContext) -> bool:
        in_time = context.deadline is None or (context.deadline - self._clock.now()).total_seconds() > pause
        return in_time and context.may_begin()


def _is_passing(result: ToolResult) -> bool:
    return result.status is ToolStatus.UNAVAILABLE and result.hint is None

"""What is said about tools, in a dictionary."""

from collections.abc import Sequence

from ripieno.domain.breakers import BreakerRules
from ripieno.domain.errors import NotFound
from ripieno.domain.principals import Principal
from ripieno.domain.tool_rules import KeptRule, ToolRule
from ripieno.ports import Clock
from ripieno.testing.memory_breakers import MemoryBreakers
from ripieno.tools.plane import ToolPlane
from ripieno.tools.rules import ToolRules


class MemoryToolRules:
    """`StoredToolRules` without a database."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[tuple[str, str], KeptRule] = {}

    async def all(self) -> Sequence[KeptRule]:
        return [kept for _, kept in sorted(self._kept.items())]

    async def put(self, principal: Principal, name: str, rule: ToolRule) -> KeptRule:
        kept = KeptRule(principal.tenant, name, rule, principal.id, self._clock.now())
        self._kept[principal.tenant, name] = kept
        return kept

    async def delete(self, principal: Principal, name: str) -> None:
        if self._kept.pop((principal.tenant, name), None) is None:
            raise NotFound("tool rule", name)


def plane_in_memory(clock: Clock) -> ToolPlane:
    """What is known about tools, as long as the test lasts."""
    return ToolPlane(ToolRules(MemoryToolRules(clock)), MemoryBreakers(clock, BreakerRules()))

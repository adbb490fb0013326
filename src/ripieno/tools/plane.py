"""What is known about tools beside what they say of themselves: rules, how they did, what is left alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ripieno.domain.breakers import Breaker
from ripieno.ports import Clock, Toolset
from ripieno.tools.broken import Breakers, BrokenToolset, breaker_key
from ripieno.tools.limited import LimitedToolset
from ripieno.tools.retried import RetriedToolset
from ripieno.tools.ruled import RuledToolset
from ripieno.tools.rules import ToolRules
from ripieno.tools.watched import Histories


def _nothing_wrong() -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, slots=True)
class ToolPlane:
    """One for a platform. `problems` says of toolsets and tools that are left out why they are."""

    rules: ToolRules
    breakers: Breakers
    histories: Histories = field(default_factory=Histories)
    problems: Callable[[], Mapping[str, str]] = _nothing_wrong

    def inner(self, toolset: Toolset, clock: Clock) -> Toolset:
        """limited(retried(ruled(toolset))): what belongs inside the time that a call has."""
        return LimitedToolset(RetriedToolset(RuledToolset(toolset, self.rules), self.rules, clock), self.rules, clock)

    def outer(self, toolset: Toolset) -> Toolset:
        """broken(toolset): what must see calls that took too long."""
        return BrokenToolset(toolset, self.breakers)

    async def resting(self, tenant: str) -> Mapping[str, Breaker]:
        """The breakers of a tenant's tools that are not at rest, by tool."""
        prefix = breaker_key(tenant, "")
        found = await self.breakers.all()
        return {one.key.removeprefix(prefix): one for one in found if one.key.startswith(prefix)}

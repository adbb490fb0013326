"""Rules about who may go where: by tool and tenant, host, port and method. The first that fits decides.

A rule opens or closes places by name only. An address that is not public stays closed whatever a rule says.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ripieno.tools.egress.names import meant
from ripieno.tools.egress.scope import NOBODY, Scope

ANY = ("*",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Whether a call may go to a place.

    `domains` are names as in `EgressPolicy`, or `*`; empty `ports` and `methods` mean any. `tools` and `tenants` are
    patterns with `*`.
    """

    name: str
    allow: bool
    domains: tuple[str, ...] = ANY
    tools: tuple[str, ...] = ANY
    tenants: tuple[str, ...] = ANY
    ports: frozenset[int] = frozenset()
    methods: frozenset[str] = frozenset()

    def fits(self, scope: Scope, host: str, port: int, method: str | None) -> bool:
        """Whether it is about this request. Where the method cannot be seen, it closes but does not open."""
        if self.methods and (self.allow if method is None else method.upper() not in self.methods):
            return False
        if self.ports and port not in self.ports:
            return False
        if not _like(scope.tool, self.tools) or not _like(scope.tenant, self.tenants):
            return False
        return self.domains == ANY or meant(host, self.domains)


def first(rules: Sequence[Rule], scope: Scope | None, host: str, port: int, method: str | None) -> Rule | None:
    """The rule that decides; None when none is about it."""
    return next((rule for rule in rules if rule.fits(scope or NOBODY, host, port, method)), None)


def _like(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)

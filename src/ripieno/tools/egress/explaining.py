"""What the guard would say about a request, and why, without making it."""

from dataclasses import dataclass

import httpx2

from ripieno.domain.errors import Invalid
from ripieno.tools.egress.addresses import is_public
from ripieno.tools.egress.backend import Resolve, system_resolve
from ripieno.tools.egress.names import normal
from ripieno.tools.egress.policy import DEFAULT_PORTS, EgressPolicy, origin
from ripieno.tools.egress.rules import first
from ripieno.tools.egress.scope import Scope


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer. `rule` is empty where none decided; `addresses` where the name was not even looked up."""

    allowed: bool
    reason: str
    host: str
    port: int
    rule: str = ""
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Explainer:
    """Answers for one policy."""

    policy: EgressPolicy
    resolve: Resolve = system_resolve

    async def explain(self, url: str, method: str, scope: Scope) -> Explanation:
        """What would happen.

        Raises:
            Invalid: That is no http or https URL.
        """
        try:
            parsed = httpx2.URL(url)
        except httpx2.InvalidURL:
            raise Invalid(f"{url!r} is not a URL") from None
        scheme, host, port = origin(parsed)
        if scheme not in DEFAULT_PORTS or not host:
            raise Invalid(f"{url!r} is not an http or https URL")
        rule = first(self.policy.rules, scope, host, port, method)
        if rule is not None and not rule.allow:
            return Explanation(False, f"the rule {rule.name} denies it", host, port, rule.name)
        if self.policy.trusts(parsed):
            return Explanation(True, "configured origin", host, port, rule.name if rule else "")
        objection = None if rule else self.policy.objection(host, port)
        if objection:
            return Explanation(False, objection, host, port)
        return await self._of_addresses(host, port, rule.name if rule else "")

    async def _of_addresses(self, host: str, port: int, rule: str) -> Explanation:
        try:
            addresses = tuple(await self.resolve(normal(host), port))
        except (OSError, UnicodeError):
            return Explanation(False, f"{host} cannot be resolved", host, port, rule)
        for address in addresses:
            if not is_public(address):
                return Explanation(False, f"{address} is not a public address", host, port, rule, addresses)
        reason = f"the rule {rule} allows it" if rule else "public address of an allowed host"
        return Explanation(True, reason, host, port, rule, addresses)

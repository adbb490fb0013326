"""Changing what is in force: drafts, versions, canaries, and the way back."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ripieno.domain.errors import Conflict, Invalid, NotFound, Problem
from ripieno.domain.jsons import JsonObject, canonical, encode
from ripieno.domain.model_documents import Deed, DocumentChange, DocumentKind
from ripieno.domain.principals import Principal
from ripieno.models.routing.published import STATE, InForce, Routes
from ripieno.models.routing.rules import RoutingRules

LISTED = 100
"""Versions that are listed."""


@dataclass(frozen=True, slots=True)
class Published:
    """A version that was published once."""

    version: str
    rules: JsonObject
    created_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Publication:
    """What to publish. Without `rules` it is the version of that name, or the draft.

    With a `canary`, that share of the runs meets the version while the others stay with the stable one.
    """

    version: str | None = None
    rules: RoutingRules | None = None
    canary: float | None = None


@dataclass(slots=True)
class Publishing:
    """What administrators of a tenant do with its routing."""

    routes: Routes

    async def versions(self, tenant: str) -> Sequence[Published]:
        """The last ones, newest first."""
        found = await self.routes.documents.kept.all(tenant, DocumentKind.ROUTING_VERSION, LISTED)
        return [Published(each.name, each.body, each.created_by, each.created_at) for each in found]

    async def draft(self, principal: Principal, rules: RoutingRules) -> None:
        """Keep a draft. Raises `Invalid` with the places that are wrong."""
        await self.routes.ready("draft", rules)
        state, revision = self._state(principal.tenant)
        await self._change(principal, [_of(replace(state, draft=rules.document()), revision)], "DRAFT_ROUTING", "draft")

    async def publish(self, principal: Principal, publication: Publication) -> str:
        """Put a version in force; answers its name.

        Raises:
            Invalid: Its rules are wrong, or there are none.
            Conflict: There is a version of that name with other rules.
        """
        tenant = principal.tenant
        state, revision = self._state(tenant)
        version, rules, is_new = await self._meant(tenant, state, publication)
        await self.routes.ready(version, RoutingRules.model_validate(rules))
        body: JsonObject = {"version": version, "rules": rules}
        if publication.canary is not None:
            if state.stable is None:
                problem = Problem("/canary", "there is no stable version beside which it could be tried")
                raise Invalid("nothing is published yet", [problem])
            state = replace(state, canary=body, share=publication.canary)
        else:
            state = replace(state, stable=body, canary=None, share=0.0)
        if state.draft is not None and canonical(state.draft) == canonical(rules):
            state = replace(state, draft=None)
        changes = [_of(state, revision)]
        if is_new:
            changes.append(DocumentChange(DocumentKind.ROUTING_VERSION, version, rules, 0))
        await self._change(principal, changes, "PUBLISH_ROUTING", version)
        return version

    async def roll_back(self, principal: Principal, version: str) -> None:
        """Put an earlier version in force for all runs. Raises `NotFound`, `Invalid` (it cannot be used any more)."""
        state, revision = self._state(principal.tenant)
        rules = await self._known(principal.tenant, version)
        if rules is None:
            raise NotFound("routing version", version)
        await self.routes.ready(version, RoutingRules.model_validate(rules))
        stable: JsonObject = {"version": version, "rules": rules}
        state = replace(state, stable=stable, canary=None, share=0.0)
        await self._change(principal, [_of(state, revision)], "ROLLBACK_ROUTING", version)

    def warnings(self, tenant: str, rules: RoutingRules) -> Iterator[Problem]:
        """What rules lead to that nobody serves now: a provider may yet be set up."""
        routes = {rule.route for rule in rules.rules if not hasattr(rule, "scope")}
        for pointer, target in _targets(rules):
            if target not in routes and self.routes.around.resolve(tenant, target) is None:
                yield Problem(pointer, f"{target} is no route, model or provider that there is now")

    async def _meant(self, tenant: str, state: InForce, publication: Publication) -> tuple[str, JsonObject, bool]:
        """The version to publish, its rules, and whether it is new."""
        known = await self._known(tenant, publication.version) if publication.version else None
        if publication.rules is None and known is not None and publication.version:
            return publication.version, known, False
        rules = publication.rules.document() if publication.rules is not None else state.draft
        if rules is None:
            raise Invalid("there is nothing to publish", [Problem("/rules", "give rules, or make a draft")])
        version = publication.version or await self._next(tenant)
        if known is not None and canonical(known) != canonical(rules):
            raise Conflict(f"there is a version {version!r} with other rules already; give another name")
        return version, rules, known is None

    async def _known(self, tenant: str, version: str) -> JsonObject | None:
        try:
            return (await self.routes.documents.kept.get(tenant, DocumentKind.ROUTING_VERSION, version)).body
        except NotFound:
            return None

    async def _next(self, tenant: str) -> str:
        taken = {each.version for each in await self.versions(tenant)}
        return next(name for name in (f"v{number}" for number in range(len(taken) + 1, 10**9)) if name not in taken)

    def _state(self, tenant: str) -> tuple[InForce, int]:
        document = self.routes.documents.of(tenant, DocumentKind.ROUTING).get(STATE)
        return self.routes.in_force(tenant), document.revision if document else 0

    async def _change(self, principal: Principal, changes: Sequence[DocumentChange], action: str, target: str) -> None:
        await self.routes.documents.change(principal, changes, Deed(action, target))


def _of(state: InForce, revision: int) -> DocumentChange:
    return DocumentChange(DocumentKind.ROUTING, STATE, encode(state), revision)


def _targets(rules: RoutingRules) -> Iterator[tuple[str, str]]:
    for at, rule in enumerate(rules.rules):
        if hasattr(rule, "scope"):
            yield f"/rules/{at}/route", str(rule.route)
            continue
        for kind in ("candidates", "fallbacks"):
            for n, each in enumerate(getattr(rule, kind)):
                yield f"/rules/{at}/{kind}/{n}", str(getattr(each, "model", each))
    if rules.default is not None:
        yield "/default", rules.default

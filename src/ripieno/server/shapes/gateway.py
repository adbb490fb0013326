"""Providers and routing as the API takes and shows them."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from ripieno.domain.errors import Invalid, Problem
from ripieno.domain.jsons import Json, JsonObject
from ripieno.models.records import Headers, Key, Kind, ModelName, ProviderInfo, ProviderName, ProviderSaid, Url
from ripieno.models.routing.choosing import Decision
from ripieno.models.routing.published import InForce
from ripieno.models.routing.publishing import Publication, Published
from ripieno.models.routing.rules import RoutingRules
from ripieno.models.routing.simulating import Effect
from ripieno.server.shapes.runs import Shape

REGION = r"^[a-z0-9-]+$"


class ProviderRequest(ProviderSaid):
    """A new provider. Its name stands before the colon in `NAME:MODEL`; the key goes in and never comes out."""

    name: ProviderName
    api_key: Key | None = Field(default=None, description="The key, or `secret://NAME` of one that is kept already.")

    def said(self) -> ProviderSaid:
        """As it is kept."""
        return ProviderSaid.model_validate(self.model_dump(exclude={"name", "api_key"}, exclude_unset=True))


class ProviderChange(BaseModel):
    """What is to be other than it was; null takes a member back."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind | None = None
    model: ModelName | None = None
    base_url: Url | None = None
    region: str | None = Field(default=None, max_length=40, pattern=REGION)
    headers: Headers | None = None
    enabled: bool | None = None
    api_key: SecretStr | None = Field(default=None, max_length=10_000, description="Empty: it has none any more.")

    def changes(self) -> dict[str, Any]:
        """Only what was said."""
        return self.model_dump(exclude={"api_key"}, exclude_unset=True)


def key_of(given: SecretStr | None) -> str | None:
    """A key as text."""
    return None if given is None else given.get_secret_value()


def said_wrong(error: ValidationError) -> Invalid:
    """What a change leads to that is no provider."""
    found = error.errors()
    problems = [
        Problem("".join(f"/{part}" for part in one["loc"]), one["msg"].removeprefix("Value error, ")) for one in found
    ]
    return Invalid("the provider would not be valid", problems)


class ProviderView(Shape):
    """Everything about a provider but its key and the values of its headers."""

    id: str
    name: str
    kind: str
    model: str
    base_url: str | None
    region: str | None
    headers: list[str]
    enabled: bool
    has_key: bool
    managed_by: str
    problem: str
    created_by: str
    created_at: datetime | None
    updated_at: datetime | None

    @classmethod
    def of(cls, info: ProviderInfo) -> "ProviderView":
        """Show it."""
        return cls.model_construct(**{name: getattr(info, name) for name in cls.model_fields})


class ProviderList(Shape):
    """All of them, by name."""

    data: list[ProviderView]
    next_cursor: str | None = None


class ProviderTest(Shape):
    """How one tiny question went: what was answered, or why nothing was."""

    ok: bool
    model: str
    answered_by: str | None
    text: str | None
    ms: float
    code: str | None
    detail: str | None


# -- routing ---------------------------------------------------------------------------------------------------------


class RoutingRequest(RoutingRules):
    """Rules to publish, or the name of a version that is there. With `canary`, that share of runs meets it."""

    version: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    canary: float | None = Field(default=None, gt=0, lt=1)
    draft: bool = Field(default=False, description="Only keep the rules, for a later publication.")

    def given(self) -> RoutingRules | None:
        """The rules, where there are some."""
        if not self.model_fields_set & {"rules", "default"}:
            return None
        return RoutingRules(rules=self.rules, default=self.default)

    def publication(self) -> Publication:
        """In the words of the routing."""
        return Publication(self.version, self.given(), self.canary)


class RollbackRequest(BaseModel):
    """The version to go back to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str = Field(min_length=1, max_length=64)


class SimulateRequest(BaseModel):
    """A request that is described by its facts; with `rules`, what they would do instead of what is in force.

    With `last`, the rules are held against so many requests that were made.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str | None = Field(default=None, max_length=300)
    channel: str | None = None
    account: str | None = None
    peer: str | None = None
    agent: str | None = None
    session: str | None = None
    user: str | None = None
    tags: list[str] | None = None
    tools: list[str] | None = None
    modalities: list[str] | None = None
    tokens: int | None = Field(default=None, ge=0)
    complexity: float | None = Field(default=None, ge=0, le=1)
    purpose: str | None = None
    structured: bool | None = None
    run: str = Field(default="", max_length=200, description="Which run it would be of: canaries go by it.")
    rules: Any = None
    default: str | None = None
    last: int | None = Field(default=None, ge=1, le=10_000)

    def facts(self) -> JsonObject:
        """What is said of the request."""
        return self.model_dump(exclude={"run", "rules", "default", "last"}, exclude_none=True)

    def given(self) -> RoutingRules | None:
        """The rules to try. Raises `Invalid`."""
        if self.rules is None:
            return None
        try:
            return RoutingRules.model_validate({"rules": self.rules, "default": self.default})
        except ValidationError as error:
            raise said_wrong(error) from None


class RoutingView(Shape):
    """What is in force: `stable` and `canary` are `{version, rules}`, `share` of the runs meet the canary."""

    stable: Json
    canary: Json
    share: float
    draft: Json
    versions: list["VersionView"]

    @classmethod
    def of(cls, state: InForce, versions: list[Published]) -> "RoutingView":
        """Show it."""
        shown = [VersionView.of(one) for one in versions]
        return cls(stable=state.stable, canary=state.canary, share=state.share, draft=state.draft, versions=shown)


class VersionView(Shape):
    """A version that was published."""

    version: str
    rules: JsonObject
    created_by: str
    created_at: datetime

    @classmethod
    def of(cls, published: Published) -> "VersionView":
        """Show it."""
        return cls(
            version=published.version,
            rules=published.rules,
            created_by=published.created_by,
            created_at=published.created_at,
        )


class PublishedView(Shape):
    """The version that is in force now, or was drafted; `warnings` are of targets that nobody serves yet."""

    version: str | None
    warnings: list[JsonObject]


class SimulatedView(Shape):
    """Who would answer, in order, by which rule, and who is left out why; or why nobody would."""

    model: str | None
    decision: Json
    facts: JsonObject
    why: str
    effect: Json = None

    @classmethod
    def of(cls, decision: Decision | None, facts: JsonObject, why: str, effect: Effect | None) -> "SimulatedView":
        """Show it."""
        models = decision.models if decision else ()
        asked = str(facts.get("model", "")) or None
        return cls(
            model=models[0] if models else (None if why else asked),
            decision=decision.shown() if decision else None,
            facts=facts,
            why=why,
            effect=None if effect is None else {name: getattr(effect, name) for name in Effect.__slots__},
        )

"""The rules of a routing as administrators write them, and as requests are held against them."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol, TypeAlias, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from ripieno.domain.errors import Invalid, Problem
from ripieno.domain.jsons import JsonObject
from ripieno.models.routing.facts import FACTS, Facts

Target = Annotated[str, Field(min_length=1, max_length=300, pattern=r"^\S+$")]
"""A model (`provider:name`), `offline`, a provider, which stands for its own model, or a route."""

RouteName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Scope: TypeAlias = Literal["peer", "account", "channel", "agent", "tag"]
SCOPES: tuple[Scope, ...] = ("peer", "account", "channel", "agent", "tag")
"""Of what short rules may be about, most specific first: so they stand, whatever order they are given in."""

MOST_RULES = 1000


class Condition(Protocol):
    """A compiled condition."""

    def holds(self, facts: Facts) -> bool:
        """Whether it is true. Raises `Invalid` where it cannot be told."""
        ...


Compile = Callable[[str, Collection[str]], Condition]
"""Compiles a condition over facts of these names. Raises `Invalid`."""


class Candidate(BaseModel):
    """One of those that may answer, and how large its share is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Target
    weight: float = Field(default=1.0, gt=0, le=1_000_000, allow_inf_nan=False)


class Rule(BaseModel):
    """Who answers the requests of which `when` (CEL) is true.

    With a `route` it is one of the rules of the route of that name, else it is held against every request, whatever
    model that asks for. The candidates share the requests by weight. Where one does not answer, the others follow, then
    the fallbacks in their order. One that would cost more than `max_usd` a request, or has lately taken longer than
    `max_seconds`, is left out.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(default="", max_length=100)
    route: RouteName | None = None
    when: str = ""
    candidates: tuple[Candidate, ...] = Field(min_length=1, max_length=50)
    fallbacks: tuple[Target, ...] = Field(default=(), max_length=50)
    max_usd: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    max_seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)

    @field_validator("candidates", mode="before")
    @classmethod
    def _names_alone(cls, given: object) -> object:
        if not isinstance(given, list | tuple):
            return given
        return [{"model": one} if isinstance(one, str) else one for one in cast("Sequence[Any]", given)]


class ShortRule(BaseModel):
    """Requests from one channel, account or peer, of one agent or with one tag, go to a route, model or provider."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scope: Scope
    key: str = Field(min_length=1, max_length=200)
    route: Target

    def matches(self, facts: Facts) -> bool:
        """Whether a request is one of them."""
        return self.key in facts["tags"] if self.scope == "tag" else bool(facts[self.scope] == self.key)


class RoutingRules(BaseModel):
    """What is published: rules in order, and who answers where a route was asked for and no rule fits."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: tuple[ShortRule | Rule, ...] = Field(default=(), max_length=MOST_RULES)
    default: Target | None = None

    @field_validator("rules", mode="before")
    @classmethod
    def _short_or_full(cls, given: object) -> object:
        """Tell the two forms apart here, so that what is wrong is told about the one that was meant."""
        if not isinstance(given, list | tuple):
            return given
        rules, wrong = list[object](), list[InitErrorDetails]()
        for at, each in enumerate(cast("Sequence[Any]", given)):
            try:
                rules.append(_meant(each))
            except ValidationError as error:
                wrong += [_placed(at, one) for one in error.errors()]
        if wrong:
            raise ValidationError.from_exception_data("rules", wrong)
        return rules

    def document(self) -> JsonObject:
        """As it is kept."""
        return self.model_dump(mode="json", exclude_defaults=True)


def _placed(at: int, wrong: ErrorDetails) -> InitErrorDetails:
    """What is wrong with a rule, with the rule's place among all."""
    said = PydanticCustomError("rule", "{said}", {"said": wrong["msg"]})
    return InitErrorDetails(type=said, loc=(at, *wrong["loc"]), input=wrong["input"])


def _meant(given: object) -> object:
    if not isinstance(given, dict):
        return given
    rule = cast("JsonObject", given)
    return ShortRule.model_validate(rule) if "scope" in rule or "key" in rule else Rule.model_validate(rule)


@dataclass(frozen=True, slots=True)
class Compiled:
    """A rule that can be held against requests."""

    name: str
    targets: tuple[Candidate, ...]
    matches: Callable[[Facts], bool]
    fallbacks: tuple[str, ...] = ()
    max_usd: float | None = None
    max_seconds: float | None = None

    def holds(self, facts: Facts) -> bool:
        """Whether it fits a request. Raises `Invalid` where its condition cannot be evaluated."""
        return self.matches(facts)


@dataclass(frozen=True, slots=True)
class Routing:
    """A version, compiled. `overrides` are held against every request, the rules of a route against who asks for it."""

    version: str
    overrides: tuple[Compiled, ...] = ()
    routes: Mapping[str, tuple[Compiled, ...]] | None = None
    default: str | None = None

    def rules_of(self, route: str) -> tuple[Compiled, ...]:
        """The rules of a route; none where there is no such route."""
        return (self.routes or {}).get(route, ())

    def is_route(self, name: str) -> bool:
        """Whether there is a route of this name."""
        return name in (self.routes or {})

    def targets(self) -> Iterator[str]:
        """Everything that a request may go to."""
        for rule in (*self.overrides, *(rule for rules in (self.routes or {}).values() for rule in rules)):
            yield from (each.model for each in rule.targets)
            yield from rule.fallbacks
        if self.default is not None:
            yield self.default


def compiled(version: str, rules: RoutingRules, compile_condition: Compile) -> Routing:
    """Make rules ready for use.

    Raises:
        Invalid: A condition does not compile or cannot be evaluated, or a route leads to a route; with the places.
    """
    problems: list[Problem] = []
    overrides: list[Compiled] = []
    routes: dict[str, list[Compiled]] = {}
    for at, rule in _ordered(rules.rules):
        if isinstance(rule, ShortRule):
            overrides.append(Compiled(f"{rule.scope}:{rule.key}", (Candidate(model=rule.route),), rule.matches))
            continue
        matches = _condition(at, rule, compile_condition, problems)
        home = overrides if rule.route is None else routes.setdefault(rule.route, [])
        name = rule.name or f"rule {at + 1}"
        home.append(Compiled(name, rule.candidates, matches, rule.fallbacks, rule.max_usd, rule.max_seconds))
    problems += _circles(rules, routes)
    if problems:
        raise Invalid("the rules are not valid", problems)
    return Routing(version, tuple(overrides), {name: tuple(own) for name, own in routes.items()}, rules.default)


def _ordered(rules: Sequence[ShortRule | Rule]) -> list[tuple[int, ShortRule | Rule]]:
    """With their places; short rules stand where they stood, among themselves most specific first."""
    short = [(at, rule) for at, rule in enumerate(rules) if isinstance(rule, ShortRule)]
    sorted_short = iter(sorted(short, key=lambda each: SCOPES.index(each[1].scope)))
    return [next(sorted_short) if isinstance(rule, ShortRule) else (at, rule) for at, rule in enumerate(rules)]


def _always(facts: Facts) -> bool:
    del facts
    return True


USUAL: Facts = {
    **dict.fromkeys(FACTS, ""),
    "tags": ["tag"],
    "tools": ["toolset.tool"],
    "modalities": ["text"],
    "tokens": 1,
    "structured": False,
    "complexity": 0.5,
}
"""A request like any other, on which conditions are tried before they are published."""


def _condition(at: int, rule: Rule, compile_condition: Compile, problems: list[Problem]) -> Callable[[Facts], bool]:
    if not rule.when:
        return _always
    try:
        condition = compile_condition(rule.when, FACTS)
        condition.holds(USUAL)
    except Invalid as error:
        problems.append(Problem(f"/rules/{at}/when", error.problems[0].detail if error.problems else error.detail))
        return _always
    return condition.holds


def _circles(rules: RoutingRules, routes: Collection[str]) -> Iterator[Problem]:
    """Rules of a route name models: a route that led to a route might lead back."""
    for at, rule in enumerate(rules.rules):
        if isinstance(rule, ShortRule) or rule.route is None:
            continue
        for n, candidate in enumerate(rule.candidates):
            if candidate.model in routes:
                yield Problem(f"/rules/{at}/candidates/{n}", f"{candidate.model} is a route, and routes name models")
        for n, fallback in enumerate(rule.fallbacks):
            if fallback in routes:
                yield Problem(f"/rules/{at}/fallbacks/{n}", f"{fallback} is a route, and routes name models")
    if rules.default in routes:
        yield Problem("/default", f"{rules.default} is a route, and the default is a model")

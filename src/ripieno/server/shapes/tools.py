"""Tools as the API shows them, and what may be said about them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ripieno.domain.breakers import Breaker, Standing
from ripieno.domain.effects import EffectClass
from ripieno.domain.errors import Invalid, Problem
from ripieno.domain.jsons import JsonObject
from ripieno.domain.tool_facts import tokens_of, version_of
from ripieno.domain.tool_rules import ToolRule
from ripieno.domain.tools import Risk, ToolSpec
from ripieno.server.shapes.apis import ApiChange
from ripieno.server.shapes.runs import Shape
from ripieno.tools.watched import ToolHistory


class ToolLimits(BaseModel):
    """How long a call may take (seconds), how often it is made, how many at once, how many may begin in a minute."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    timeout: float | None = Field(default=None, gt=0, le=3600)
    attempts: int | None = Field(default=None, ge=1, le=10)
    concurrency: int | None = Field(default=None, ge=1, le=1000)
    per_minute: int | None = Field(default=None, ge=1, le=1_000_000)


class ToolHealth(Shape):
    """How a tool does: the breaker for all processes, what follows for this one since it started.

    `degraded` means that some of its last ten calls failed. `retry_in` (seconds) is for one that is left alone.
    """

    status: Literal["ok", "degraded", "open", "half_open"]
    retry_in: float | None
    calls: int
    failures: int
    last_used: datetime | None
    last_error: str | None
    p50_ms: float | None
    p95_ms: float | None

    @classmethod
    def of(cls, history: ToolHistory, breaker: Breaker | None, now: datetime) -> "ToolHealth":
        """Show it."""
        standing = breaker.standing(now) if breaker else Standing.CLOSED
        status = ("ok" if all(history.recent) else "degraded") if standing is Standing.CLOSED else standing.value
        return cls(
            status=status,
            retry_in=breaker.wait(now) if breaker and standing is Standing.OPEN else None,
            calls=history.calls,
            failures=history.failures,
            last_used=history.last_used,
            last_error=history.last_error,
            p50_ms=history.percentile(0.5),
            p95_ms=history.percentile(0.95),
        )


class ToolView(Shape):
    """A tool. `version` changes with what models are told of it; `tokens` is about what telling them costs."""

    name: str
    toolset: str
    version: str
    description: str
    input_schema: JsonObject
    output_schema: JsonObject | None
    effect: EffectClass
    risk: Risk
    source: str
    timeout: float
    limits: ToolLimits
    tokens: int
    health: ToolHealth

    @classmethod
    def of(cls, spec: ToolSpec, rule: ToolRule, health: ToolHealth) -> "ToolView":
        """Show it."""
        own = ("name", "description", "input_schema", "output_schema", "effect", "risk", "source", "timeout")
        return cls.model_construct(
            **{name: getattr(spec, name) for name in own},
            toolset=spec.name.partition(".")[0],
            version=version_of(spec),
            limits=limits_of(rule).model_copy(update={"timeout": spec.timeout}),
            tokens=tokens_of(spec),
            health=health,
        )


def limits_of(rule: ToolRule) -> ToolLimits:
    """The limits of a rule."""
    return ToolLimits(**{name: getattr(rule, name) for name in ToolLimits.model_fields})


class ToolList(Shape):
    """The tools that can be called, by name; `problems` are of toolsets and tools that are left out."""

    data: Sequence[ToolView]
    next_cursor: str | None = None
    problems: Mapping[str, str]


RULE = ("enabled", "effect", "risk", "limits")


class ToolChange(ApiChange):
    """What to say about a tool or toolset; or, of an imported toolset, about its API. Not both at once.

    What is left out stays as it is.
    """

    enabled: bool | None = None
    effect: EffectClass | None = None
    risk: Risk | None = None
    limits: ToolLimits | None = None

    def rule(self) -> ToolRule | None:
        """The rule, if this is about one. Raises `Invalid` where it is about both, or neither."""
        about_api = bool(self.said(*RULE))
        about_rule = bool(self.model_fields_set & set(RULE))
        if about_api == about_rule:
            detail = "say something about the tool (enabled, effect, risk, limits) or about its API"
            raise Invalid(f"{detail}, in two requests where it is both", [Problem("", "is about both or nothing")])
        if about_api:
            return None
        limits = self.limits.model_dump() if self.limits else {}
        return ToolRule(enabled=self.enabled, effect=self.effect, risk=self.risk, **limits)


class ToolRuleView(Shape):
    """What is said about a tool or toolset; null where nothing is."""

    name: str
    enabled: bool
    effect: EffectClass | None
    risk: Risk | None
    limits: ToolLimits

    @classmethod
    def of(cls, name: str, rule: ToolRule) -> "ToolRuleView":
        """Show it."""
        enabled = rule.enabled is not False
        return cls(name=name, enabled=enabled, effect=rule.effect, risk=rule.risk, limits=limits_of(rule))

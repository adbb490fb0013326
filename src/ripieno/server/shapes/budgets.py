"""Budgets and usage as the API takes and shows them: dollars, tokens, seconds, effects."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ripieno.domain.budgets import (
    MOST,
    Budget,
    BudgetState,
    Caps,
    OnExceeded,
    UsageGroup,
    UsageRow,
    Window,
    check_scope,
    left,
)
from ripieno.domain.budgets import Account as Sums
from ripieno.domain.jsons import JsonObject
from ripieno.domain.principals import Principal
from ripieno.server.shapes.runs import Shape

Money = Annotated[float, Field(ge=0, le=MOST, allow_inf_nan=False)]
Number = Annotated[int, Field(ge=0, le=MOST)]


class LimitsRequest(BaseModel):
    """The most that may be spent; what is left out is not limited."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    usd: Money | None = None
    tokens: Number | None = None
    seconds: Money | None = None
    effects: Number | None = None


class BudgetRequest(BaseModel):
    """Set the budget of a scope: `tenant`, `agent:NAME`, `user:ID` or `session:ID`.

    The limits may also stand beside the scope: `{"scope": "tenant", "window": "month", "usd": 200}`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scope: str
    window: Window = Window.TOTAL
    limits: LimitsRequest
    on_exceeded: OnExceeded = OnExceeded.STOP
    warn_at: float = Field(default=0.8, gt=0, le=1, description="The share of a limit from which to warn.")

    @model_validator(mode="before")
    @classmethod
    def _limits_beside(cls, given: object) -> object:
        if not isinstance(given, dict) or "limits" in given:
            return cast("object", given)
        said = cast("JsonObject", given)
        beside = {name: said[name] for name in LimitsRequest.model_fields if name in said}
        return {**{name: value for name, value in said.items() if name not in beside}, "limits": beside}

    @model_validator(mode="after")
    def _limits_something(self) -> "BudgetRequest":
        if not any(limit is not None for limit in self.limits.model_dump().values()):
            msg = "name a limit: usd, tokens, seconds or effects"
            raise ValueError(msg)
        return self

    def budget(self, principal: Principal) -> Budget:
        """The same in the words of the domain. Raises `Invalid` for a scope that is none."""
        check_scope(self.scope)
        caps = Caps.given(self.limits.model_dump())
        return Budget(
            principal.tenant, self.scope, self.window, caps, self.on_exceeded, self.warn_at, set_by=principal.id
        )


class BudgetView(Shape):
    """A budget and how it stands in its present window.

    Only what it limits is shown. `limits` has what a person allowed on top, `reserved` is what calls under way may yet
    use. `state` is `ok`, `warned` or `exceeded`.
    """

    scope: str
    window: Window
    limits: JsonObject
    raised: JsonObject
    spent: JsonObject
    reserved: JsonObject
    state: str
    since: datetime
    on_exceeded: OnExceeded
    warn_at: float
    set_by: str
    set_at: datetime | None

    @classmethod
    def of(cls, state: BudgetState) -> "BudgetView":
        """Show it."""
        budget, limited = state.budget, state.budget.caps.measures
        return cls.model_construct(
            scope=budget.scope,
            window=budget.window,
            limits=(budget.caps + state.raised).shown(),
            raised=_of(state.raised.shown(), limited),
            spent=_of(state.spent.shown(), limited),
            reserved=_of(state.reserved.shown(), limited),
            state=_word(state),
            since=state.since,
            on_exceeded=budget.on_exceeded,
            warn_at=budget.warn_at,
            set_by=budget.set_by,
            set_at=budget.set_at,
        )


class BudgetList(Shape):
    """All budgets of a tenant."""

    data: list[BudgetView]
    next_cursor: str | None = None


class UsageGroupView(Shape):
    """What one group of runs used."""

    group: str
    cost_usd: float
    tokens: int
    input_tokens: int
    output_tokens: int
    calls: int
    effects: int
    seconds: float

    @classmethod
    def of(cls, row: UsageRow) -> "UsageGroupView":
        """Show it."""
        return cls.model_construct(
            group=row.group,
            cost_usd=row.usd,
            tokens=row.input_tokens + row.output_tokens,
            input_tokens=row.input_tokens,
            output_tokens=row.output_tokens,
            calls=row.calls,
            effects=row.effects,
            seconds=round(row.seconds, 3),
        )


class UsageList(Shape):
    """What the runs of a tenant used, by group."""

    data: list[UsageGroupView]
    since: datetime
    until: datetime
    next_cursor: str | None = None


class CostView(Shape):
    """What one group of runs cost."""

    group: str
    cost_usd: float
    share: float
    calls: int
    input_tokens: int
    output_tokens: int


class CostList(Shape):
    """What the runs of a tenant cost, the dearest group first; `share` is its part of all."""

    data: list[CostView]
    total_usd: float
    group_by: UsageGroup
    since: datetime
    until: datetime
    next_cursor: str | None = None

    @classmethod
    def of(cls, rows: Sequence[UsageRow], group_by: UsageGroup, since: datetime, until: datetime) -> "CostList":
        """Show it."""
        total = sum(row.usd for row in rows)
        data = [
            CostView(
                group=row.group,
                cost_usd=row.usd,
                share=round(row.usd / total, 6) if total else 0.0,
                calls=row.calls,
                input_tokens=row.input_tokens,
                output_tokens=row.output_tokens,
            )
            for row in sorted(rows, key=lambda row: (-row.usd, row.group))
        ]
        return cls(data=data, total_usd=total, group_by=group_by, since=since, until=until)


def _of(amounts: JsonObject, limited: tuple[str, ...]) -> JsonObject:
    return {name: amount for name, amount in amounts.items() if name in limited}


def _word(state: BudgetState) -> str:
    sums = Sums(state.spent, raised=state.raised)
    spent = any(left(state.budget.caps, sums, measure) <= 0 for measure in state.budget.caps.measures)
    return "exceeded" if spent else "warned" if state.warned else "ok"

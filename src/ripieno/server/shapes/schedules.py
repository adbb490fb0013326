"""Schedules as clients send them and as the API shows them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from ripieno.domain import spelling
from ripieno.domain.errors import Invalid, Problem
from ripieno.domain.jsons import Json
from ripieno.domain.runs import RunStatus
from ripieno.domain.schedules import (
    OLDER_KEYS,
    CatchUp,
    ManagedBy,
    Overlap,
    Schedule,
    ScheduleName,
    ScheduleSpec,
    Tick,
    TickOutcome,
)
from ripieno.server.shapes.runs import Shape

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100_000)]
Agent = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class ScheduleRequest(ScheduleSpec):
    """Start an agent by the calendar (`cron` in `timezone`) or every so many seconds (`every`)."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: ScheduleName
    agent: Agent = "default"
    goal: Text | None = Field(default=None, description="What to do; the same as `input.goal`.")
    paused: bool = False

    def spec(self) -> ScheduleSpec:
        """The schedule's own part."""
        given = {name: getattr(self, name) for name in ScheduleSpec.model_fields}
        return ScheduleSpec.model_construct(**{**given, "input": with_goal(self.goal, self.input)})


class SchedulePatch(BaseModel):
    """What to change; what is not named stays. Naming one of `cron` and `every` takes the other's place."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    agent: Agent | None = None
    goal: Text | None = None
    cron: str | None = None
    every: float | None = None
    timezone: str | None = None
    input: Json = None
    overlap: Overlap | None = None
    catch_up: CatchUp | None = None
    catch_up_window: float | None = None
    jitter: float | None = None
    paused: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _nothing_misspelt(cls, raw: Any) -> Any:
        if isinstance(raw, dict):
            spelling.refuse_slips(cls.__name__, cast("dict[str, Any]", raw), (*cls.model_fields, *OLDER_KEYS))
        return cast("Any", raw)

    def spec(self, before: ScheduleSpec) -> ScheduleSpec | None:
        """The schedule's own part after the change; None when it stays. Raises `Invalid`."""
        named = {name: getattr(self, name) for name in self.model_fields_set & set(ScheduleSpec.model_fields)}
        if self.goal is not None:
            named["input"] = with_goal(self.goal, self.input)
        if not named:
            return None
        kept = before.model_dump()
        if named.get("cron") is not None or named.get("every") is not None:
            kept |= {"cron": None, "every": None}
        try:
            return ScheduleSpec.model_validate({**kept, **named})
        except ValidationError as error:
            raise Invalid("the schedule would not be valid", _problems(error)) from None


def with_goal(goal: str | None, given: Json) -> Json:
    """The input of a schedule with a goal beside it."""
    if goal is None:
        return given
    return {**cast("Mapping[str, Json]", given), "goal": goal} if isinstance(given, dict) else goal


def _problems(error: ValidationError) -> list[Problem]:
    return [
        Problem("".join(f"/{part}" for part in item["loc"]), str(item["msg"]).removeprefix("Value error, "))
        for item in error.errors(include_url=False)
    ]


class ScheduleView(Shape):
    """A schedule. `next_ticks` are the moments that come; `stopped` says that it has a `problem`."""

    id: str
    name: str
    agent: str
    status: Literal["active", "paused", "stopped"]
    cron: str | None
    every: float | None
    timezone: str
    input: Json
    overlap: Overlap
    catch_up: CatchUp
    catch_up_window: float
    jitter: float
    managed_by: ManagedBy
    problem: str | None
    version: int
    next_at: datetime | None
    last_tick: datetime | None
    created_by: str
    created_at: datetime
    updated_at: datetime
    next_ticks: tuple[datetime, ...]

    @classmethod
    def of(cls, schedule: Schedule, next_ticks: Sequence[datetime] = ()) -> "ScheduleView":
        """Show it."""
        own = {name: getattr(schedule, name) for name in cls.model_fields if hasattr(schedule, name)}
        spec = {name: getattr(schedule.spec, name) for name in ScheduleSpec.model_fields}
        return cls.model_construct(**own, **spec, status=_status(schedule), next_ticks=tuple(next_ticks))


def _status(schedule: Schedule) -> str:
    if schedule.problem is not None:
        return "stopped"
    return "paused" if schedule.paused else "active"


class ScheduleList(Shape):
    """A page of schedules, by name."""

    data: list[ScheduleView]
    next_cursor: str | None = None


class TickView(Shape):
    """What became of one tick, or of a run that somebody wanted at once. `tick` is the moment that it is about."""

    n: int
    tick: datetime
    outcome: TickOutcome
    reason: str
    triggered_by: str | None
    run_id: str | None
    run_status: RunStatus | None
    decided_at: datetime

    @classmethod
    def of(cls, tick: Tick) -> "TickView":
        """Show it."""
        shown = {name: getattr(tick, name) for name in cls.model_fields if name != "tick"}
        return cls.model_construct(**shown, tick=tick.at)


class TickPage(Shape):
    """A page of a schedule's history, newest first."""

    data: list[TickView]
    next_cursor: str | None = None

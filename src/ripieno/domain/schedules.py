"""Schedules as people write them, as they are stored, and what became of their ticks."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, cast
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ripieno.domain import spelling
from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.runs import RunKind, RunStatus

MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
OLDER_KEYS = {"interval_seconds": "every", "interval": "every", "task_data": "input", "type": None}
"""Keys of older files, and what they are called here; `type` follows from what is given."""

MONTH = 31 * 86400


class Overlap(StrEnum):
    """What a tick does while a run of the same schedule is still under way."""

    SKIP = "skip"
    QUEUE = "queue"
    CANCEL_PREVIOUS = "cancel_previous"
    ALLOW = "allow"


class CatchUp(StrEnum):
    """Which ticks run late that passed while nobody was there."""

    NONE = "none"
    LATEST = "latest"
    ALL = "all"


class ScheduleSpec(BaseModel):
    """When to run, and with what: `cron` in a time zone, or `every` so many seconds.

    `input` is the goal, or an object that holds it (`goal`, `prompt`, `task` …) beside structured material. Times are
    in seconds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    cron: str | None = None
    every: float | None = Field(default=None, ge=1, le=366 * 86400, allow_inf_nan=False)
    timezone: str = "UTC"
    input: Json = None
    overlap: Overlap = Overlap.SKIP
    catch_up: CatchUp = CatchUp.LATEST
    catch_up_window: float = Field(default=86400, ge=0, le=MONTH, allow_inf_nan=False)
    jitter: float = Field(default=0, ge=0, le=3600, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _older_keys(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        given = cast("dict[str, Any]", raw)
        spelling.refuse_slips(cls.__name__, given, (*cls.model_fields, *OLDER_KEYS))
        own = {key: value for key, value in given.items() if key not in OLDER_KEYS}
        older = {name: given[key] for key, name in OLDER_KEYS.items() if name and given.get(key) is not None}
        return {**older, **own}

    @field_validator("cron")
    @classmethod
    def _possible(cls, value: str | None) -> str | None:
        if value is not None:
            refuse_impossible(value)
        return value

    @field_validator("timezone")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            msg = f"there is no time zone {value!r}; give a name like Europe/Berlin"
            raise ValueError(msg) from None
        return value

    @field_validator("input")
    @classmethod
    def _text_or_object(cls, value: Json) -> Json:
        if value is not None and not isinstance(value, str | dict):
            msg = "give a text or an object"
            raise ValueError(msg)
        return cast("Json", value)

    @model_validator(mode="after")
    def _one_trigger(self) -> "ScheduleSpec":
        if (self.cron is None) == (self.every is None):
            msg = "give either cron or every"
            raise ValueError(msg)
        if self.every is not None and self.jitter >= self.every:
            msg = "jitter must be shorter than every"
            raise ValueError(msg)
        return self


def refuse_impossible(cron: str) -> None:
    """Raise `ValueError` for an expression that is no cron expression, or that no day ever fits."""
    try:
        found = next(CronSim(MACROS.get(cron.strip().lower(), cron), datetime(2000, 1, 1)), None)  # noqa: DTZ001 - any zone
    except CronSimError as error:
        msg = f"{cron!r} is no cron expression that can come true: {str(error).lower()}"
        raise ValueError(msg) from None
    if found is None:
        msg = f"{cron!r} never comes true"
        raise ValueError(msg)


ScheduleName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


class ManagedBy(StrEnum):
    """Who may change a schedule."""

    API = "api"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class NewSchedule:
    """A schedule as its author describes it."""

    id: str
    tenant: str
    name: str
    agent: str
    spec: ScheduleSpec
    created_by: str
    managed_by: ManagedBy = ManagedBy.API
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule as its row says.

    Intervals count from `anchor`. `next_tick` is the moment that comes next, `next_at` when it is acted upon (later by
    its jitter). `problem` is why it does not tick although nobody paused it. `version` counts changes by its author.
    """

    id: str
    tenant: str
    name: str
    agent: str
    spec: ScheduleSpec
    managed_by: ManagedBy
    paused: bool
    problem: str | None
    version: int
    anchor: datetime
    next_tick: datetime | None
    next_at: datetime | None
    last_tick: datetime | None
    created_by: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Target:
    """The agent that a schedule starts, as it is defined now."""

    agent: str
    version: str
    kind: RunKind
    description: str = ""


class TickOutcome(StrEnum):
    """What became of a tick. `WAITING` starts when the run before it has ended."""

    STARTED = "started"
    WAITING = "waiting"
    SKIPPED = "skipped"
    MISSED = "missed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Tick:
    """A line of a schedule's history. `n` counts them; `triggered_by` is None when its time had come."""

    schedule_id: str
    n: int
    at: datetime
    outcome: TickOutcome
    decided_at: datetime
    triggered_by: str | None = None
    reason: str = ""
    run_id: str | None = None
    run_status: RunStatus | None = None


@dataclass(frozen=True, slots=True)
class Trigger:
    """Somebody wants a run now. The run gets this id; with the id of a run that exists nothing happens again."""

    run_id: str
    by: str


@dataclass(frozen=True, slots=True)
class ScheduleChange:
    """What an author changes; None leaves a thing as it is. `version` is what the author has seen, None any."""

    agent: str | None = None
    spec: ScheduleSpec | None = None
    paused: bool | None = None
    version: int | None = None


def facts(schedule: Schedule, tick: datetime) -> JsonObject:
    """What a run is told about the schedule that started it."""
    return {"id": schedule.id, "name": schedule.name, "tick": tick.isoformat()}

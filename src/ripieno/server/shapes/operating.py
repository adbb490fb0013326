"""Dead letters, halts, events and audit rows as the API takes and shows them."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from ripieno.domain.dead_letters import DeadLetter, DeadLetterKind, DeadLetterState
from ripieno.domain.halts import Halt
from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.outbox import AuditRow, OutboxRow
from ripieno.domain.published import OURS
from ripieno.domain.retention import Place, Pruned
from ripieno.server.shapes.runs import Shape


class ReplayRequest(BaseModel):
    """How to replay a dead letter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    edit: JsonObject | None = Field(
        default=None,
        description="For a run `{agent?, goal?, data?, context?, model?, limits?}`, for a message "
        "`{run_id?, topic?, body?}`: what is to be other than it was.",
    )


class HaltRequest(BaseModel):
    """What to stop, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scope: str = Field(
        description="`all`, `tenant:NAME`, `agent:NAME`, `tool:PATTERN`, `model:NAME` or `run:ID`.", max_length=300
    )
    reason: str = Field(default="", max_length=2000, description="Kept on record, and shown to who waits.")


class PlaceView(BaseModel):
    """Where a look at old runs has come to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ended_at: AwareDatetime
    run_id: str = Field(max_length=100)

    def place(self) -> Place:
        """As the store takes it."""
        return Place(self.ended_at, self.run_id)


class PruneRequest(BaseModel):
    """Which runs to delete."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    older_than_days: float = Field(ge=0, le=36500, description="Families whose last run ended longer ago.")
    dry_run: bool = Field(default=False, description="Only count.")
    archive: bool | None = Field(default=None, description="Write bundles first; unset, as the settings say.")


class ArchiveRequest(BaseModel):
    """Which runs to write away."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    older_than_days: float = Field(ge=0, le=36500, description="Families whose last run ended longer ago.")
    after: PlaceView | None = Field(default=None, description="`more` of the answer before.")


class PrunedView(Shape):
    """What was done. `more` is there where there are others; ask again until it is not."""

    runs: int
    archived: int
    more: PlaceView | None

    @classmethod
    def of(cls, pruned: Pruned) -> "PrunedView":
        """Show it."""
        more = PlaceView(ended_at=pruned.more.ended_at, run_id=pruned.more.run_id) if pruned.more else None
        return cls(runs=pruned.runs, archived=pruned.archived, more=more)


class DeadLetterView(Shape):
    """Work that came to nothing. `payload` is what it takes to try it again, `outcome` what came of that."""

    id: str
    kind: DeadLetterKind
    state: DeadLetterState
    run_id: str
    subject: str
    cause: str
    detail: str
    attempts: int
    payload: JsonObject
    created_at: datetime
    settled_at: datetime | None
    settled_by: str | None
    outcome: JsonObject | None

    @classmethod
    def of(cls, letter: DeadLetter) -> "DeadLetterView":
        """Show it."""
        return cls.model_construct(**{name: getattr(letter, name) for name in cls.model_fields})


class DeadLetterPage(Shape):
    """A page of dead letters, newest first."""

    data: list[DeadLetterView]
    next_cursor: str | None = None


class HaltView(Shape):
    """Something that is stopped. `at` is since when."""

    scope: str
    reason: str
    by: str
    at: datetime

    @classmethod
    def of(cls, halt: Halt) -> "HaltView":
        """Show it."""
        return cls(scope=halt.scope, reason=halt.reason, by=halt.by, at=halt.at)


class HaltList(Shape):
    """What is stopped, oldest first."""

    data: list[HaltView]
    next_cursor: None = None


class OutboxEvent(Shape):
    """A CloudEvent 1.0 about what happened. `sequence` is its place in the order of all events."""

    specversion: str = "1.0"
    id: str
    source: str
    type: str
    subject: str | None
    time: datetime
    datacontenttype: str = "application/json"
    sequence: int
    data: Json

    @classmethod
    def of(cls, row: OutboxRow) -> "OutboxEvent":
        """Show it; what was published from outside keeps its own id, source, subject and time."""
        if row.type.partition(".")[0] not in OURS:
            own = {name: row.body[name] for name in ("id", "source", "subject", "data")}
            return cls(**own, type=row.type, time=row.body["time"] or row.at, sequence=row.pos)
        return cls(
            id=f"{row.tenant}/{row.pos}",
            source=f"/v1/runs/{row.run_id}" if row.run_id else "/v1",
            type=row.type,
            subject=row.run_id or None,
            time=row.at,
            sequence=row.pos,
            data=row.body,
        )


class OutboxEventPage(Shape):
    """A page of events, in order. Give `next_cursor` as `after`; it is there also when nothing follows yet."""

    data: list[OutboxEvent]
    next_cursor: str | None = None

    @classmethod
    def of(cls, rows: Sequence[OutboxRow]) -> "OutboxEventPage":
        """Show them."""
        return cls(data=[OutboxEvent.of(row) for row in rows], next_cursor=str(rows[-1].pos) if rows else None)


class AuditView(Shape):
    """Who did what to what."""

    id: str
    action: str
    actor: str
    target: str
    at: datetime
    detail: Json

    @classmethod
    def of(cls, row: AuditRow) -> "AuditView":
        """Show it."""
        return cls(
            id=str(row.number), action=row.action, actor=row.actor, target=row.target, at=row.at, detail=row.detail
        )


class AuditPage(Shape):
    """A page of audit rows, newest first."""

    data: list[AuditView]
    next_cursor: str | None = None

"""Transactions that are written once and run on both databases, for everything that is not on the hot path.

A verb is a generator: it yields steps and is sent what came of them, so it knows neither sqlite3 nor asyncpg, and
is not async. `sqlite/frames.py` and `postgres/frames.py` drive it. Its SQL is PostgreSQL's, within what SQLite takes:

* parameters are `:name`, with a cast where PostgreSQL cannot infer the type (`:limit::int`); SQLite drops casts;
* `FOR UPDATE`, `FOR NO KEY UPDATE` and `SKIP LOCKED` stand at the end; SQLite, which has one writer, drops them;
* a list is passed as `= ANY(:ids::text[])`; times are `datetime`; JSON is text that `bodies.dump` wrote;
* rows are read through `Record`, which knows times, JSON and booleans of either database.

DESIGN §4 holds here as elsewhere: lock runs first, in order of id, and tell nobody before the commit.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, Protocol, TypeAlias, TypeVar

from ripieno.domain.hints import HintKind
from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.runs import NewRun
from ripieno.store.bodies import load

T = TypeVar("T")
P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. Sent back: its rows, a list of `Record`."""

    sql: str
    given: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Start:
    """Queue a run. Sent back: False when its id exists."""

    run: NewRun


@dataclass(frozen=True, slots=True)
class Send:
    """Put a message in a run's inbox. Sent back: its number. Raised in the verb: `NotFound`, `RunEnded`."""

    tenant: str
    run_id: str
    topic: str
    body: JsonObject
    dedupe: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel a run. Sent back: the ids of its living children, which the caller cancels next. Raised: as `Send`."""

    tenant: str
    run_id: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Tell:
    """Write a row of the outbox."""

    tenant: str
    kind: str
    run_id: str
    body: JsonObject


@dataclass(frozen=True, slots=True)
class Guard:
    """Let no other transaction with the same guard go on before this one has ended. It comes before all locks."""

    name: str


@dataclass(frozen=True, slots=True)
class Lock:
    """Lock runs that may end here, with all that their ends change: parents, and neighbours in their sessions.

    It comes before all other locks on runs: the order of ids is kept even where neighbours change meanwhile.
    """

    run_ids: tuple[str, ...]


Step: TypeAlias = Statement | Start | Send | Cancel | Tell | Guard | Lock
Work: TypeAlias = Generator[Step, Any, T]


class Record:
    """A row. `moment` turns a time of the table into a `datetime`."""

    __slots__ = ("_moment", "_row")

    def __init__(self, row: Any, moment: Callable[[Any], datetime]) -> None:
        self._row = row
        self._moment = moment

    def __getitem__(self, name: str) -> Any:
        return self._row[name]

    def names(self) -> list[str]:
        """The columns, in order."""
        return list(self._row.keys())

    def time(self, name: str) -> datetime:
        """A time."""
        return self._moment(self._row[name])

    def time_or_none(self, name: str) -> datetime | None:
        """A time that may be missing."""
        value = self._row[name]
        return None if value is None else self._moment(value)

    def json(self, name: str) -> Json:
        """A JSON body; None where there is none."""
        text = self._row[name]
        return None if text is None else load(text)

    def flag(self, name: str) -> bool:
        """A boolean."""
        return bool(self._row[name])


class Frame:
    """What a verb is given: the time of what it writes, and words for its steps."""

    __slots__ = ("_leave", "now")

    def __init__(self, now: datetime, leave: Callable[..., None]) -> None:
        self.now = now
        self._leave = leave

    def all(self, sql: str, **given: object) -> Work[list[Record]]:
        """Execute; answers every row."""
        return (yield Statement(sql, given))

    def one(self, sql: str, **given: object) -> Work[Record | None]:
        """Execute; answers the first row, or None."""
        rows: list[Record] = yield Statement(sql, given)
        return rows[0] if rows else None

    def start(self, run: NewRun) -> Work[bool]:
        """Queue a run; False when its id exists."""
        return (yield Start(run))

    def send(self, letter: Send) -> Work[int]:
        """Put a message in a run's inbox. Raises `NotFound`, `RunEnded`."""
        return (yield letter)

    def cancel(self, order: Cancel) -> Work[list[str]]:
        """Cancel a run; answers its living children. Raises `NotFound`, `RunEnded`."""
        return (yield order)

    def tell(self, tenant: str, kind: str, run_id: str, body: JsonObject) -> Work[None]:
        """Write a row of the outbox."""
        yield Tell(tenant, kind, run_id, body)

    def guard(self, name: str) -> Work[None]:
        """Wait until nobody else is behind this guard, and keep it to the end."""
        yield Guard(name)

    def lock(self, *run_ids: str) -> Work[None]:
        """Lock runs that may end here, with their parents and their neighbours in sessions."""
        yield Lock(run_ids)

    def hint(self, run_id: str, *kinds: HintKind) -> None:
        """Leave hints, to be published after the commit."""
        self._leave(run_id, *kinds)


Verb: TypeAlias = Callable[Concatenate[Frame, P], Work[T]]


Begin: TypeAlias = Callable[[Frame], Work[T]]


def begun(verb: Verb[P, T], *given: P.args, **named: P.kwargs) -> Begin[T]:
    """A verb with all that it is given but the frame."""

    def begin(frame: Frame) -> Work[T]:
        return verb(frame, *given, **named)

    return begin


class Frames(Protocol):
    """Runs verbs on one of the databases."""

    async def write(self, verb: Verb[P, T], *given: P.args, **named: P.kwargs) -> T:
        """Run a verb in one transaction.

        It runs again when the connection was lost around the commit, so it must bear being done twice.

        Raises:
            StoreBusy: The database is away, or refuses.
            JournalMismatch, Invalid: The rows do not go together, or cannot be stored.
        """
        ...

    async def read(self, verb: Verb[P, T], *given: P.args, **named: P.kwargs) -> T:
        """Run a verb that only reads. Raises `StoreBusy`."""
        ...

"""The test bed of the store's contract: one store of each kind, and short words for what tests do with it.

To put another store under the same suite, add it to STORES.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from ripieno.domain import ids, jsons
from ripieno.domain.batches import Append, Claimed, EffectIntent, Park
from ripieno.domain.effects import Effect, EffectClass, EffectState
from ripieno.domain.entries import Entry, EntryType, NewEntry
from ripieno.domain.hints import Hint, HintKind
from ripieno.domain.interrupts import InterruptKind, NewInterrupt
from ripieno.domain.principals import Principal
from ripieno.domain.runs import ExitReason, NewRun, Run, RunInput, RunKind, RunResult, RunStatus
from ripieno.governance.budgets import Books
from ripieno.governance.tenancy import Tenants
from ripieno.ports import Clock, DeadLetters, Dispatch, Halts, History, Journal, Outbox, Records
from ripieno.server.replies import Replies
from ripieno.store.budgets import StoredBooks
from ripieno.store.dead_letters import StoredDeadLetters
from ripieno.store.dispatch_local import LocalDispatch
from ripieno.store.embedded import EmbeddedStore, open_store
from ripieno.store.halts import StoredHalts
from ripieno.store.outbox import StoredOutbox
from ripieno.store.postgres.dispatch import ANYTHING
from ripieno.store.postgres.opening import PostgresStore, open_postgres
from ripieno.store.tenants import StoredTenants
from ripieno.testing.fake_clock import FakeClock
from ripieno.testing.memory_journal import MemoryStore
from tests.servers import postgres, postgres_database

TENANT = "acme"
ENDING = {
    RunStatus.COMPLETED: (EntryType.RUN_COMPLETED, ExitReason.COMPLETED),
    RunStatus.FAILED: (EntryType.RUN_FAILED, ExitReason.MODEL_ERROR),
    RunStatus.CANCELLED: (EntryType.RUN_CANCELLED, ExitReason.OPERATOR),
}


class Store(Protocol):
    """What is tested."""

    @property
    def journal(self) -> Journal: ...
    @property
    def records(self) -> Records: ...
    @property
    def replies(self) -> Replies: ...
    @property
    def history(self) -> History: ...


Opened: TypeAlias = AbstractAsyncContextManager[Store]
Opener: TypeAlias = Callable[[Path, Clock, Dispatch], Opened]


@asynccontextmanager
async def memory(_: Path, clock: Clock, dispatch: Dispatch) -> AsyncGenerator[Store]:
    yield MemoryStore(clock, dispatch)


@asynccontextmanager
async def sqlite(folder: Path, clock: Clock, dispatch: Dispatch) -> AsyncGenerator[Store]:
    store = await open_store(folder, clock, dispatch)
    yield store
    await store.close()


@asynccontextmanager
async def on_postgres(_: Path, clock: Clock, dispatch: Dispatch) -> AsyncGenerator[Store]:
    store = await open_postgres(await postgres_database.empty(), clock, now=clock.now)
    store.dispatch.subscribe(lambda hint: dispatch.publish([hint] if hint != ANYTHING else []))
    yield store
    await store.close()


STORES: dict[str, Opener] = {"memory": memory, "sqlite": sqlite, "postgres": on_postgres}


def _operating(store: Store) -> tuple[DeadLetters, Outbox, Halts]:
    if isinstance(store, MemoryStore):
        return store.dead_letters, store.outbox, store.halts
    assert isinstance(store, EmbeddedStore | PostgresStore)
    return StoredDeadLetters(store.frames), StoredOutbox(store.frames), StoredHalts(store.frames)


@dataclass
class Bed:
    """A store on a clock that stands still, with its hints written down."""

    store: Store
    clock: FakeClock
    dispatch: LocalDispatch
    folder: Path = Path()
    hints: list[Hint] = field(default_factory=list[Hint])

    def __post_init__(self) -> None:
        self.journal = self.store.journal
        self.records = self.store.records
        self.replies = self.store.replies
        self.dead_letters, self.outbox, self.halts = _operating(self.store)
        self.history = self.store.history
        self.dispatch.subscribe(self.hints.append)

    def hinted(self, run_id: str) -> set[HintKind]:
        """The kinds of hints about a run since the last call; forgets all."""
        kinds = {hint.kind for hint in self.hints if hint.run_id == run_id}
        self.hints.clear()
        return kinds

    def new(self, **fields: Any) -> NewRun:
        usual: dict[str, Any] = {
            "id": self.clock.new_id(ids.RUN),
            "tenant": TENANT,
            "kind": RunKind.AGENT,
            "target": "clerk",
            "target_version": "v1",
            "session_id": "ses_1",
            "input": RunInput("count to ten", data={"n": 10}),
            "created_by": "alice",
        }
        return NewRun(**{**usual, **fields})

    async def recover(self) -> int:
        """Take what a lost process left running: an embedded store when it starts, a cluster when it notices."""
        if isinstance(self.store, PostgresStore):
            postgres.shared().sql("UPDATE workers SET dead = true", postgres_database.NAME)
            self.store.lease.lose()
            return await self.store.journal.upkeep.reap()
        return await self.journal.recover()

    @property
    def tenants(self) -> Tenants:
        """What single tenants are allowed."""
        if isinstance(self.store, MemoryStore):
            return self.store.tenants
        assert isinstance(self.store, EmbeddedStore | PostgresStore)
        return StoredTenants(self.store.frames)

    async def limit(self, tenant: str, max_running: int) -> None:
        """Let a tenant have so many runs under way."""
        await self.tenants.limit(Principal("boss"), tenant, max_running)

    async def start(self, **fields: Any) -> str:
        """A queued run."""
        run = self.new(**fields)
        assert await self.journal.start(run)
        return run.id

    async def claim(self, run_id: str) -> Claimed:
        """Claim everything, answer this one."""
        return next(claimed for claimed in await self.journal.claim("w1", 1000) if claimed.run.id == run_id)

    async def running(self, **fields: Any) -> Run:
        """A run with a leg."""
        return (await self.claim(await self.start(**fields))).run

    async def park(self, run: Run, status: RunStatus = RunStatus.WAITING, **fields: Any) -> bool:
        if "inbox_seq" not in fields:
            fields["inbox_seq"] = (await self.row(run)).inbox_seq
        return await self.journal.park(Park(run.id, run.epoch, status, **fields))

    def waiting(self, run: Run) -> Park:
        """The wish to park a run that has received nothing."""
        return Park(run.id, run.epoch, RunStatus.WAITING, 0)

    async def parked(self, status: RunStatus = RunStatus.WAITING, **fields: Any) -> Run:
        """A run that waits."""
        run = await self.running(**fields)
        assert await self.park(run, status, inbox_seq=0)
        return run

    async def ended(self, status: RunStatus = RunStatus.COMPLETED, **fields: Any) -> Run:
        """A run that is over."""
        run = await self.running(**fields)
        await self.finish(run, status)
        return run

    async def finish(self, run: Run, status: RunStatus = RunStatus.COMPLETED, answer: str = "42") -> Entry:
        kind, reason = ENDING[status]
        result = RunResult(status, reason, answer)
        return await self.journal.finish(run.id, run.epoch, NewEntry("end", kind, {"result": encoded(result)}), result)

    async def append(self, run: Run, *keys: str, **belongings: Any) -> list[Entry]:
        """Append a line for each key."""
        entries = tuple(NewEntry(key, EntryType.MODEL_REPLIED, {"key": key}) for key in keys)
        return list(await self.journal.append(Append(run.id, run.epoch, entries, **belongings)))

    async def send(self, run: Run, dedupe: str, **body: Any) -> int:
        return await self.journal.send(TENANT, run.id, "note", body, dedupe)

    async def ask(self, run: Run, key: str = "q", kind: InterruptKind = InterruptKind.APPROVAL, **fields: Any) -> str:
        """Open an interrupt; answers its id."""
        interrupt_id = ids.derive(ids.APPROVAL, run.id, key)
        asked = NewInterrupt(
            interrupt_id, key, kind, "hash", {"tool": "shop.pay"}, "high", ("dear",), "alice", **fields
        )
        await self.append(run, key, interrupts=(asked,))
        return interrupt_id

    @property
    def books(self) -> Books:
        if isinstance(self.store, EmbeddedStore | PostgresStore):
            return StoredBooks(self.store.frames)
        assert isinstance(self.store, MemoryStore)
        return self.store.books

    async def row(self, run: Run) -> Run:
        return await self.records.run(TENANT, run.id)

    async def row_of(self, run_id: str) -> Run:
        return await self.records.run(TENANT, run_id)

    async def keys(self, run: Run) -> list[str]:
        return [entry.key for entry in await self.records.entries(TENANT, run.id)]

    async def states(self, run: Run) -> list[EffectState]:
        return [effect.state for effect in await self.records.effects(TENANT, run.id)]

    def after(self, seconds: float) -> Any:
        return self.clock.now() + timedelta(seconds=seconds)


def intent(run: Run, key: str, attempt: int = 1) -> EffectIntent:
    """An effect about to happen."""
    idempotency_key = ids.idempotency_key(run.id, key)
    state = EffectState.INTENDED
    return EffectIntent(
        Effect(run.id, key, attempt, "shop.pay", EffectClass.IRREVERSIBLE, state, idempotency_key, "hash")
    )


def encoded(value: object) -> jsons.JsonObject:
    return jsons.encode(value)

"""Two workers on one PostgreSQL through random histories, several operations at a time: leases run out, zombies write.

A worker that fell silent does not know it: its store goes on as before, which is what a frozen process does when it
thaws. Every step is a few operations side by side; after each, `promises` are held against what the database holds.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

import asyncpg
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ripieno.domain import ids
from ripieno.domain.batches import Append, EffectClose, Park
from ripieno.domain.effects import EffectState
from ripieno.domain.entries import EntryType, NewEntry
from ripieno.domain.errors import JournalMismatch, RipienoError, StoreBusy
from ripieno.domain.filters import InterruptFilter
from ripieno.domain.interrupts import Decision, DecisionKind, InterruptKind, NewInterrupt
from ripieno.domain.runs import TERMINAL, Run, RunResult, RunStatus
from ripieno.store.dispatch_local import LocalDispatch
from ripieno.store.postgres import lease
from ripieno.store.postgres.lease import LeaseTimes
from ripieno.store.postgres.opening import PostgresStore, open_postgres
from ripieno.testing.fake_clock import FakeClock
from tests.contracts.bed import ENDING, TENANT, Bed, encoded, intent
from tests.contracts.promises import Promises
from tests.contracts.test_machine import standing
from tests.servers import postgres, postgres_database

T = TypeVar("T")

BY_HAND = LeaseTimes(beat=1e6, lease=1e6)
"""Nobody beats by itself and nobody doubts itself: the machine says who falls silent."""

DATABASE = "machine"
MOST_RUNS = 6
MOST_RUNNING = 3


class Op(NamedTuple):
    """One operation: by which worker, on which of its legs or on which run, and a number to choose with."""

    verb: str
    worker: int
    number: int
    extra: int


OPS = st.deferred(lambda: st.lists(ONE, min_size=1, max_size=4))
ONE = st.deferred(lambda: st.builds(Op, st.sampled_from(list(VERBS)), WORKERS, st.integers(0, 7), st.integers(0, 3)))
WORKERS = st.integers(0, 1)


class Leg(NamedTuple):
    """A claim, over or not."""

    run: Run
    bed: Bed


class Cluster(RuleBasedStateMachine):
    """Rules are verbs; see the module."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = FakeClock()
        self.beds: list[Bed] = []
        self.runs: list[str] = []
        self.legs: list[Leg] = []
        self.turn = 0
        self.promises = Promises()
        self.sent: dict[tuple[str, int], int] = {}
        """Acknowledged messages, and how often each was consumed."""
        self.told: list[int] = []
        """The outbox as one reader behind a cursor saw it."""

    @initialize()
    def begin(self) -> None:
        self.runner.run(self._open())

    async def _open(self) -> None:
        self.url = await postgres_database.empty(DATABASE)
        self.log = len(postgres.shared().log())
        self.connection = await asyncpg.connect(self.url)
        await self.connection.execute("INSERT INTO tenants (id, max_running) VALUES ($1, $2)", TENANT, MOST_RUNNING)
        for name in ("a", "b"):
            store = await open_postgres(self.url, self.clock, BY_HAND, now=self.clock.now)
            bed = Bed(store, self.clock, LocalDispatch())
            await bed.journal.claim(name, 1)  # joins
            self.beds.append(bed)

    def teardown(self) -> None:
        if self.beds:
            self.runner.run(self._close())
        self.runner.close()

    async def _close(self) -> None:
        await self._read_outbox()
        rows = await self.connection.fetch("SELECT id FROM outbox")
        for bed in self.beds:
            await store_of(bed).close()
        await self.connection.close()
        assert sorted(self.told) == sorted(row["id"] for row in rows), "2: the outbox was not read whole"
        assert "deadlock" not in postgres.shared().log()[self.log :], "15"

    # -- one step ------------------------------------------------------------------------------------------------

    @rule(ops=OPS)
    def step(self, ops: Sequence[Op]) -> None:
        async def together() -> None:
            async with asyncio.TaskGroup() as group:
                for op in ops:
                    group.create_task(VERBS[op.verb](self, op))

        self.runner.run(together())

    @rule(seconds=st.sampled_from([0, 3, 6]), worker=WORKERS)
    def time_passes(self, seconds: int, worker: int) -> None:
        self.clock.advance(seconds)
        self.runner.run(self._upkeep(self.beds[worker]))

    @rule(worker=WORKERS)
    def reap_alone(self, worker: int) -> None:
        self.runner.run(self._reap(self.beds[worker]))

    async def _upkeep(self, bed: Bed) -> None:
        await bed.journal.pump()
        due = "SELECT id FROM runs WHERE status LIKE '%wait%' AND NOT hold AND wake_at <= $1"
        assert await self.connection.fetch(due, self.clock.now()) == [], "5: a timer is due"
        await self._read_outbox()

    async def _read_outbox(self) -> None:
        await store_of(self.beds[0]).journal.upkeep.house.number()
        last = await self.connection.fetchval("SELECT max(pos) FROM outbox WHERE id = ANY($1)", self.told)
        news = await self.connection.fetch("SELECT id FROM outbox WHERE pos > $1 ORDER BY pos", last or 0)
        self.told += [row["id"] for row in news]

    async def _reap(self, bed: Bed) -> None:
        await store_of(bed).journal.upkeep.reap()
        orphans = (
            "SELECT id FROM runs WHERE status = 'running' AND owner NOT IN (SELECT id FROM workers WHERE NOT dead)"
        )
        assert await self.connection.fetch(orphans) == [], "6: a run of a dead worker was left"

    async def sql(self, statement: str, *parameters: Any) -> list[Any]:
        """Past all workers, on a connection of its own: several at a time."""
        connection = await asyncpg.connect(self.url)
        try:
            return list(await connection.fetch(statement, *parameters))
        finally:
            await connection.close()

    # -- what the verbs need -------------------------------------------------------------------------------------

    def leg(self, op: Op) -> Leg | None:
        """One of the last claims, of this worker or of the other."""
        return self.legs[-1 - op.number % len(self.legs)] if self.legs else None

    def run_id(self, op: Op) -> str:
        return self.runs[op.number % len(self.runs)] if self.runs else "run_0"

    def key(self, word: str) -> str:
        self.turn += 1
        return f"{word}{self.turn}"

    async def append(self, leg: Leg, *words: str, **belongings: Any) -> bool:
        keys = [self.key(word) for word in words]
        entries = tuple(NewEntry(key, EntryType.MODEL_REPLIED, {}) for key in keys)
        try:
            written = await leg.bed.journal.append(Append(leg.run.id, leg.run.epoch, entries, **belongings))
        except RipienoError as error:
            expected(error)
            self.promises.heard(leg.run.id, keys, None)
            return False
        self.promises.heard(leg.run.id, keys, written)
        return True

    # -- invariants ----------------------------------------------------------------------------------------------

    @invariant()
    def promises_hold(self) -> None:
        if self.beds:
            self.runner.run(self._check())

    async def _check(self) -> None:
        reader = self.beds[0]
        asked = await reader.records.interrupts(TENANT, InterruptFilter(), 100)
        runs = await standing(reader, self.promises)
        self.promises.check(runs, asked)
        await self._check_mail({one.run.id: one.run for one in runs})
        running = [one.run for one in runs if one.run.status is RunStatus.RUNNING]
        assert len(running) <= MOST_RUNNING, "12: a tenant runs more than it may"

    async def _check_mail(self, runs: dict[str, Run]) -> None:
        mail = {(row["run_id"], row["n"]): row for row in await self.connection.fetch("SELECT * FROM inbox")}
        for message, consumed in self.sent.items():
            state, run = mail[message]["state"], runs[message[0]]
            assert consumed <= 1, "7: consumed twice"
            assert (state == "consumed") == (consumed == 1), "7: consumed, and nobody did it"
            assert run.status not in TERMINAL or state != "unread", "7: neither consumed nor undelivered"
        for row in mail.values():
            run = runs[row["run_id"]]
            waits = run.status in {RunStatus.WAITING, RunStatus.AWAITING_INPUT, RunStatus.AWAITING_APPROVAL}
            assert not (waits and not run.hold and row["state"] == "unread"), "5: unread mail of a run that waits"
        for child in runs.values():
            parent = runs.get(child.parent_id or "")
            if parent is not None and child.status in TERMINAL and parent.status not in TERMINAL:
                told = [row for row in mail.values() if row["run_id"] == parent.id and row["dedupe"] == child.id]
                assert len(told) == 1, "14: a child's end was not told once"


def store_of(bed: Bed) -> PostgresStore:
    assert isinstance(bed.store, PostgresStore)
    return bed.store


def expected(error: RipienoError) -> None:
    """Raises for refusals that nobody may get here."""
    assert not isinstance(error, StoreBusy), error
    assert not isinstance(error, JournalMismatch) or "did not write" not in error.detail, error


async def allowed(work: Awaitable[T]) -> T | None:
    """The answer; None where it was refused as it may be."""
    try:
        return await work
    except RipienoError as error:
        expected(error)
        return None


# -- verbs -----------------------------------------------------------------------------------------------------------


async def start(machine: Cluster, op: Op) -> None:
    if len(machine.runs) < MOST_RUNS:
        machine.runs.append(await machine.beds[op.worker].start())


async def claim(machine: Cluster, op: Op) -> None:
    bed = machine.beds[op.worker]
    machine.legs += [Leg(one.run, bed) for one in await bed.journal.claim(f"w{op.worker}", op.extra + 1)]


async def write(machine: Cluster, op: Op) -> None:
    if leg := machine.leg(op):
        await machine.append(leg, *["reply"] * (op.extra + 1))


async def intend(machine: Cluster, op: Op) -> None:
    if leg := machine.leg(op):
        await machine.append(leg, "intent", intents=(intent(leg.run, f"call{op.extra}"),))


async def close(machine: Cluster, op: Op) -> None:
    if leg := machine.leg(op):
        await machine.append(leg, "returned", closes=(EffectClose(f"call{op.extra}", 1, EffectState.DONE),))


async def ask(machine: Cluster, op: Op) -> None:
    if leg := machine.leg(op):
        key = f"question{op.extra}"
        asked_id = ids.derive(ids.APPROVAL, leg.run.id, key)
        expires = leg.bed.after(4)
        asked = NewInterrupt(asked_id, key, InterruptKind.APPROVAL, "hash", {}, "high", (), "alice", expires)
        await machine.append(leg, "asked", interrupts=(asked,))


async def bear(machine: Cluster, op: Op) -> None:
    leg = machine.leg(op)
    if leg and len(machine.runs) < MOST_RUNS:
        child = leg.bed.new(parent_id=leg.run.id, parent_key=machine.key("child"), root_id=leg.run.id)
        machine.runs.append(child.id)
        if not await machine.append(leg, "child", children=(child,)):
            machine.runs.remove(child.id)


async def consume(machine: Cluster, op: Op) -> tuple[Leg, int] | None:
    """Read everything; answers how far, where nothing came between."""
    leg = machine.leg(op)
    read = await allowed(leg.bed.journal.unread(leg.run.id, leg.run.epoch)) if leg else None
    if leg is None or read is None:
        return None
    numbers = tuple(letter.n for letter in read[1])
    if numbers and not await machine.append(leg, "read", consumed=numbers):
        return None
    for n in numbers:
        if (leg.run.id, n) in machine.sent:
            machine.sent[leg.run.id, n] += 1
    return leg, read[0]


async def read(machine: Cluster, op: Op) -> None:
    await consume(machine, op)


async def park(machine: Cluster, op: Op) -> None:
    if consumed := await consume(machine, op):
        (leg, seq), status = consumed, [RunStatus.WAITING, RunStatus.AWAITING_INPUT][op.extra % 2]
        wake = leg.bed.after(op.extra) if op.extra > 1 else None
        await allowed(leg.bed.journal.park(Park(leg.run.id, leg.run.epoch, status, seq, ({"for": "x"},), wake)))


async def finish(machine: Cluster, op: Op) -> None:
    if leg := machine.leg(op):
        kind, reason = ENDING[RunStatus.COMPLETED]
        result = RunResult(RunStatus.COMPLETED, reason, "42")
        ending = NewEntry("end", kind, {"result": encoded(result)})
        await allowed(leg.bed.journal.finish(leg.run.id, leg.run.epoch, ending, result))


async def release(machine: Cluster, op: Op) -> None:
    if leg := machine.leg(op):
        await allowed(leg.bed.journal.release(leg.run.id, leg.run.epoch))


async def send(machine: Cluster, op: Op) -> None:
    run_id = machine.run_id(op)
    sending = machine.beds[op.worker].journal.send(TENANT, run_id, "note", {}, f"note{op.extra}")
    n = await allowed(sending)
    if n is not None:
        machine.sent.setdefault((run_id, n), 0)


async def decide(machine: Cluster, op: Op) -> None:
    bed = machine.beds[op.worker]
    asked = await bed.records.interrupts(TENANT, InterruptFilter(), 8)
    if asked:
        kind = [DecisionKind.APPROVE, DecisionKind.DENY][op.extra % 2]
        chosen = asked[op.number % len(asked)].id
        await allowed(bed.journal.decide(TENANT, chosen, Decision(kind, f"person{op.worker}{op.extra}")))


async def cancel(machine: Cluster, op: Op) -> None:
    if op.extra == 0:
        await allowed(machine.beds[op.worker].journal.cancel(TENANT, machine.run_id(op), "bob", ""))


async def pause(machine: Cluster, op: Op) -> None:
    await allowed(machine.beds[op.worker].journal.pause(TENANT, machine.run_id(op), "alice"))


async def resume(machine: Cluster, op: Op) -> None:
    await allowed(machine.beds[op.worker].journal.resume(TENANT, machine.run_id(op), "alice"))


async def pump(machine: Cluster, op: Op) -> None:
    await machine.beds[op.worker].journal.pump()


async def expire(machine: Cluster, op: Op) -> None:
    """The worker falls silent for longer than its lease."""
    silent = "UPDATE workers SET seen_at = clock_timestamp() - interval '3000000 s' WHERE id = $1 AND NOT dead"
    await machine.sql(silent, store_of(machine.beds[op.worker]).lease.worker_id)


async def beat(machine: Cluster, op: Op) -> None:
    """The worker beats again, or hears that it is dead."""
    mine = store_of(machine.beds[op.worker]).lease
    name = mine.worker_id
    if name is not None and not await machine.sql(lease.BEAT, name) and mine.worker_id == name:
        mine.lose()


async def reap(machine: Cluster, op: Op) -> None:
    await store_of(machine.beds[op.worker]).journal.upkeep.reap()


Verb: TypeAlias = Callable[[Cluster, Op], Coroutine[Any, Any, None]]
VERBS: dict[str, Verb] = {
    verb.__name__: verb
    for verb in (
        start,
        claim,
        write,
        intend,
        close,
        ask,
        bear,
        read,
        park,
        finish,
        release,
        send,
        decide,
        cancel,
        pause,
        resume,
        pump,
        expire,
        beat,
        reap,
    )
}

TestCluster = postgres.NEEDS(Cluster.TestCase)
TestCluster.settings = settings(max_examples=10, stateful_step_count=25, deadline=None)

"""Random histories of two workers under budgets: the sums of DESIGN §4, invariant 13, hold after each step.

Σ open reservations is the figure that is shown as reserved, no run that has ended has one, and what is spent and
reserved is never over the limit. What is counted from the reservations is what the accounts say.
"""

import asyncio
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ripieno.domain.batches import Append
from ripieno.domain.budgets import NOTHING, Amount, Budget, Caps, Chunk, Reservation, Settlement, Window, Wish
from ripieno.domain.entries import EntryType, NewEntry
from ripieno.domain.runs import Run, RunStatus
from ripieno.store.dispatch_local import LocalDispatch
from ripieno.testing.fake_clock import FakeClock
from tests.contracts.bed import STORES, TENANT, Bed
from tests.servers import postgres

WHOLE = Budget(TENANT, "tenant", Window.TOTAL, Caps(tokens=100, effects=7))
NUMBERS = st.integers(0, 9)
TOKENS = st.integers(0, 60)


class Histories(RuleBasedStateMachine):
    """A model beside the store: what is open, what was used."""

    kind = "sqlite"

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.open = AsyncExitStack()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = FakeClock()
        self.runs: list[Run] = []
        self.chunks: list[tuple[Chunk, Amount]] = []
        self.under_way: dict[tuple[str, str], Reservation] = {}
        self.used = NOTHING
        self.count = 0

    @initialize()
    def begin(self) -> None:
        dispatch = LocalDispatch()
        opened = STORES[self.kind](Path(self.folder.name), self.clock, dispatch)
        store = self.runner.run(self.open.enter_async_context(opened))
        self.bed = Bed(store, self.clock, dispatch)

    def teardown(self) -> None:
        self.runner.run(self.open.aclose())
        self.runner.close()
        self.folder.cleanup()

    @precondition(lambda self: len(self.runs) < 4)
    @rule()
    def start(self) -> None:
        self.runs.append(self.runner.run(self.bed.running()))

    @rule(tokens=TOKENS, effects=st.integers(0, 2), worker=st.sampled_from(["w1", "w2"]))
    def lease(self, tokens: int, effects: int, worker: str) -> None:
        self.count += 1
        need = Amount(tokens=tokens, effects=effects)
        wish = Wish(WHOLE, f"c{self.count}", need, replace(need, tokens=min(tokens, 5)))
        got = self.runner.run(self.bed.books.lease(wish, worker))
        if isinstance(got, Chunk):
            self.chunks.append((got, got.granted))

    @precondition(lambda self: self.runs and self.chunks)
    @rule(number=NUMBERS, place=NUMBERS, tokens=TOKENS, effects=st.integers(0, 1))
    def reserve(self, number: int, place: int, tokens: int, effects: int) -> None:
        run, (chunk, free) = self.runs[number % len(self.runs)], self.chunks[place % len(self.chunks)]
        amount = Amount(tokens=tokens, effects=effects).at_most(free)
        self.count += 1
        one = Reservation(run.id, f"k{self.count}", "tenant", Window.TOTAL, chunk.since, chunk.id, amount)
        self.runner.run(self.bed.journal.append(Append(run.id, run.epoch, (), reserves=(one,))))
        self.under_way[run.id, one.key] = one
        self.chunks[place % len(self.chunks)] = (chunk, free - amount)

    @precondition(lambda self: self.under_way)
    @rule(number=NUMBERS, part=st.integers(0, 100))
    def settle(self, number: int, part: int) -> None:
        act = list(self.under_way)[number % len(self.under_way)]
        one = self.under_way.pop(act)
        run = next(run for run in self.runs if run.id == one.run_id)
        used = Amount.with_each(lambda measure: one.amount.of(measure) * part // 100)
        line = NewEntry(one.key, EntryType.MODEL_REPLIED, {})
        batch = Append(run.id, run.epoch, (line,), settles=(Settlement(one.key, used),))
        self.runner.run(self.bed.journal.append(batch))
        self.used += used

    @precondition(lambda self: self.chunks)
    @rule(place=NUMBERS, whole=st.booleans())
    def give_back(self, place: int, whole: bool) -> None:
        chunk, free = self.chunks[place % len(self.chunks)]
        if whole:
            self.chunks.remove((chunk, free))
            self.runner.run(self.bed.books.give_back(chunk.id))
        else:
            self.chunks[place % len(self.chunks)] = (chunk, NOTHING)
            self.runner.run(self.bed.books.shrink(chunk.id, chunk.granted - free))

    @rule()
    def reclaim(self) -> None:
        self.clock.advance(31)
        self.runner.run(self.bed.books.reclaim(30))
        self.chunks.clear()

    @precondition(lambda self: self.runs)
    @rule(number=NUMBERS, how=st.sampled_from(["end", "cancel", "take over"]))
    def leave(self, number: int, how: str) -> None:
        run = self.runs.pop(number % len(self.runs))
        if how == "take over":
            self.runner.run(self.bed.journal.release(run.id, run.epoch))
            self.runs.append(self.runner.run(self.bed.claim(run.id)).run)
            return
        if how == "end":
            self.runner.run(self.bed.finish(run, RunStatus.FAILED))
        else:
            self.runner.run(self.bed.journal.cancel(TENANT, run.id, "bob", ""))
            self.clock.advance(6)
            self.runner.run(self.bed.journal.pump())
        for act in [act for act in self.under_way if act[0] == run.id]:
            self.used += self.under_way.pop(act).amount
        assert self.runner.run(self.bed.books.reserved(TENANT, run.id)) == []

    @invariant()
    def the_sums_hold(self) -> None:
        if not hasattr(self, "bed"):
            return
        (state,) = self.runner.run(self.bed.books.states([WHOLE]))
        open_ones: Sequence[Reservation] = list(self.under_way.values())
        assert state.reserved == sum((one.amount for one in open_ones), NOTHING)
        assert state.spent == self.used
        for measure in WHOLE.caps.measures:
            most = WHOLE.caps.of(measure) or 0
            assert state.spent.of(measure) + state.reserved.of(measure) <= most
            assert state.reserved.of(measure) <= state.leased.of(measure) <= most


class HistoriesInMemory(Histories):
    """The same without a disk."""

    kind = "memory"


class HistoriesOnPostgres(Histories):
    """The same on PostgreSQL."""

    kind = "postgres"


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)

TestHistoriesInMemory = HistoriesInMemory.TestCase
TestHistoriesInMemory.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)

TestHistoriesOnPostgres = postgres.NEEDS(HistoriesOnPostgres.TestCase)
TestHistoriesOnPostgres.settings = settings(max_examples=10, stateful_step_count=25, deadline=None)

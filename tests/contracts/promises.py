"""The invariants of DESIGN §4 that can be seen from outside of a store, held against what it holds after every step.

| | what must hold | where it is checked |
|---|---|---|
| 1 | entries are numbered without gaps, epochs never fall | here |
| 2 | a reader behind a cursor sees each row once, in order | here; of the outbox in `test_machine_cluster` |
| 3 | what was acknowledged is there, what was refused left nothing | here |
| 4 | nothing of an epoch commits after the next one began | here |
| 5 | no run waits with unread mail or a due timer | `test_machine_cluster`, crash suite (every run ends) |
| 6 | the owner of a running run lives, or it is requeued in time | `test_machine_cluster` (who), crash suite (when) |
| 7 | each message is consumed once, or marked undelivered | `test_machine_cluster` |
| 8 | one decision for each question | here; fifty at once in the crash suite |
| 9 | the outside witness counts each effect once | crash suite |
| 10 | after a cancellation no new intent, and it stays cancelled | here |
| 11 | a run that ended leaves no effect under way | here; with people in the crash suite |
| 12 | no tenant runs more than it may | `test_machine_cluster`; served in rotation: `test_races` |
| 13 | what is reserved adds up | `test_machine_cluster` as soon as there are budgets in the journal |
| 14 | one `child.ended` for each child | `test_machine_cluster` |
| 15 | no deadlock; an outage loses no run | `test_machine_cluster`, `test_races`, crash suite |
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from ripieno.domain.effects import Effect, EffectState
from ripieno.domain.entries import Entry
from ripieno.domain.interrupts import Decision, Interrupt, InterruptStatus
from ripieno.domain.runs import PARKED, TERMINAL, Run, RunStatus


@dataclass(frozen=True, slots=True)
class Standing:
    """One run as a store holds it. `entries` are all of them, `news` those after the reader's cursor."""

    run: Run
    entries: Sequence[Entry]
    news: Sequence[Entry]
    effects: Sequence[Effect]


@dataclass
class Promises:
    """What was seen and heard so far. `check` compares it with what there is now."""

    runs: dict[str, Run] = field(default_factory=dict[str, Run])
    read: dict[str, list[Entry]] = field(default_factory=lambda: defaultdict(list))
    acknowledged: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    refused: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    intents: dict[str, int] = field(default_factory=dict[str, int])
    decided: dict[str, tuple[Decision, ...]] = field(default_factory=dict[str, tuple[Decision, ...]])

    def cursor(self, run_id: str) -> int:
        """How far the reader of a run has come."""
        return self.read[run_id][-1].seq if self.read[run_id] else 0

    def heard(self, run_id: str, keys: Sequence[str], answer: Sequence[Entry] | None) -> None:
        """An append was acknowledged with these entries, or refused."""
        if answer is None:
            self.refused |= {(run_id, key) for key in keys if (run_id, key) not in self.acknowledged}
        for entry in answer or ():
            self.acknowledged[run_id, entry.key] = entry.seq
            self.refused.discard((run_id, entry.key))

    def check(self, standings: Sequence[Standing], interrupts: Sequence[Interrupt]) -> None:
        """Raises `AssertionError` for what must not be."""
        for standing in standings:
            self._numbers(standing)
            self._fences(standing)
            self._answers(standing)
            self._control(standing)
            self.runs[standing.run.id] = standing.run
        for interrupt in interrupts:
            self._question(interrupt)

    def _numbers(self, standing: Standing) -> None:
        run, entries = standing.run, standing.entries
        assert [entry.seq for entry in entries] == list(range(1, run.last_seq + 1)), "1: a gap"
        assert len({entry.key for entry in entries}) == len(entries), "1: a key twice"
        epochs = [entry.epoch for entry in entries]
        assert epochs == sorted(epochs), "1: an epoch falls"
        assert not epochs or epochs[-1] <= run.epoch, "1: an entry of an epoch that is yet to come"
        self.read[run.id] += standing.news
        assert self.read[run.id] == list(entries), "2: the reader missed something"

    def _fences(self, standing: Standing) -> None:
        before = self.runs.get(standing.run.id)
        if before is not None:
            assert standing.run.epoch >= before.epoch, "4: the epoch fell"
            new = standing.entries[before.last_seq :]
            assert all(entry.epoch >= before.epoch for entry in new), "4: a commit behind the fence"

    def _answers(self, standing: Standing) -> None:
        run_id = standing.run.id
        there = {(run_id, entry.key): entry.seq for entry in standing.entries}
        told = {key: seq for key, seq in self.acknowledged.items() if key[0] == run_id}
        assert told.items() <= there.items(), "3: an acknowledged entry is lost"
        assert not self.refused & there.keys(), "3: a refused entry is there"

    def _control(self, standing: Standing) -> None:
        run, before = standing.run, self.runs.get(standing.run.id)
        assert (run.cancel_at is None) or run.status in {RunStatus.RUNNING, *TERMINAL}
        assert not (run.hold and run.status in {RunStatus.QUEUED, *PARKED - {RunStatus.PAUSED}})
        if before is not None and before.cancel_at is not None:
            assert len(standing.effects) == self.intents[run.id], "10: an intent after the cancellation"
        self.intents[run.id] = len(standing.effects)
        if run.status in TERMINAL:
            assert standing.entries[-1].key == "end"
            under_way = [effect for effect in standing.effects if effect.state is EffectState.INTENDED]
            assert not under_way, "11: an effect is under way in a run that ended"
        if before is not None and before.status in TERMINAL:
            assert run == before, "10: what has ended changed"

    def _question(self, interrupt: Interrupt) -> None:
        if interrupt.decisions and interrupt.status is not InterruptStatus.PENDING:
            known = self.decided.setdefault(interrupt.id, interrupt.decisions)
            assert known == interrupt.decisions, "8: decided twice"
        voters = [vote.by for vote in interrupt.votes]
        assert len(set(voters)) == len(voters) <= interrupt.terms.required, "8: voted twice"
        ended = self.runs[interrupt.run_id].status in TERMINAL
        assert not (interrupt.status is InterruptStatus.PENDING and ended), "11: a question of a run that ended is open"

"""A store without a disk, for tests that want the real engine and no files.

    clock, dispatch = FakeClock(), LocalDispatch()
    store = MemoryStore(clock, dispatch)
    await store.journal.start(run)

It keeps every promise of `ports.Journal`, `ports.Records` and `server.replies.Replies` that does not need a disk; the
suite in `tests/contracts` holds it to them.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from ripieno.domain import deciding, interrupt_rows
from ripieno.domain.batches import (
    ANY_RUN,
    Append,
    Claimed,
    ClaimTerms,
    EffectClose,
    LateOutcome,
    Park,
    Pumped,
    Standing,
)
from ripieno.domain.effects import OPEN, Effect, EffectState
from ripieno.domain.entries import Entry, InboxRow, NewEntry
from ripieno.domain.errors import (
    IntentRefused,
    JournalMismatch,
    NotHeld,
    RunEnded,
)
from ripieno.domain.hints import HintKind
from ripieno.domain.interrupt_rows import DECIDED, Row
from ripieno.domain.interrupts import Decision, Interrupt, InterruptStatus, NewInterrupt, OnExpiry
from ripieno.domain.jsons import JsonObject, encode
from ripieno.domain.outbox import CANCEL_RUN, PAUSE_RUN, RESUME_RUN
from ripieno.domain.principals import SYSTEM, Principal
from ripieno.domain.runs import TERMINAL, NewRun, Run, RunResult, RunStatus
from ripieno.ports import Clock, Dispatch
from ripieno.store.portable import multitask
from ripieno.store.rotation import Wish
from ripieno.testing import memory_claim, memory_late, memory_multitask
from ripieno.testing.memory_books import MemoryBooks
from ripieno.testing.memory_dead_letters import MemoryDeadLetters
from ripieno.testing.memory_events import MemoryEvents
from ripieno.testing.memory_halts import MemoryHalts
from ripieno.testing.memory_history import MemoryHistory
from ripieno.testing.memory_mailboxes import MemoryMailboxes
from ripieno.testing.memory_outbox import MemoryOutbox
from ripieno.testing.memory_records import MemoryRecords
from ripieno.testing.memory_replies import MemoryReplies
from ripieno.testing.memory_schedules import MemorySchedules
from ripieno.testing.memory_state import WAITING, Draft, Letter, Memory, RunState, copied, spend
from ripieno.testing.memory_tenants import MemoryTenants

GRACE = timedelta(seconds=5)


class MemoryStore:
    """The ports of a store over one memory."""

    def __init__(self, clock: Clock, dispatch: Dispatch) -> None:
        self.memory = memory = Memory()
        self.journal = MemoryJournal(memory, clock, dispatch)
        self.records = MemoryRecords(memory)
        self.replies = MemoryReplies(clock)
        self.dead_letters = MemoryDeadLetters(memory, clock, dispatch)
        self.outbox = MemoryOutbox(memory)
        self.books = MemoryBooks(memory, clock)
        self.history = MemoryHistory(memory, clock, dispatch)
        self.halts = MemoryHalts(memory, clock, dispatch)
        self.mailboxes = MemoryMailboxes(memory, clock, dispatch)
        self.events = MemoryEvents(memory, clock, dispatch)
        self.tenants = MemoryTenants(memory, clock)
        self.schedules = MemorySchedules(memory, self.journal, self.records, clock)


class MemoryJournal:
    """`ports.Journal` in dictionaries. A transaction never awaits, so the event loop makes it atomic."""

    def __init__(self, memory: Memory, clock: Clock, dispatch: Dispatch) -> None:
        self._memory = memory
        self._clock = clock
        self._dispatch = dispatch

    # -- anybody -------------------------------------------------------------------------------------------------

    async def start(self, run: NewRun) -> bool:
        async with self._transaction() as draft:
            if run.multitask is None:
                return draft.start(run)
            new, stopped = memory_multitask.join(draft, run)
            for run_id in stopped:
                draft.stop_below(run_id, run.created_by, multitask.reason(run))
            return new

    async def send(self, tenant: str, run_id: str, topic: str, body: JsonObject, dedupe: str) -> int:
        async with self._transaction() as draft:
            return draft.deliver(draft.alive(tenant, run_id), topic, body, dedupe)

    async def decide(self, tenant: str, interrupt_id: str, decision: Decision, roles: Sequence[str] = ()) -> Interrupt:
        async with self._transaction() as draft:
            asked = deciding.decided(draft.interrupt(tenant, interrupt_id), decision, roles, draft.now)
            return _answer(draft, asked, interrupt_rows.of_word(asked, draft.now))

    async def delegate(self, by: Principal, interrupt_id: str, to: Sequence[str]) -> Interrupt:
        async with self._transaction() as draft:
            asked = deciding.delegated(draft.interrupt(by.tenant, interrupt_id), by.id, by.roles, to, draft.now)
            rows = interrupt_rows.of_reassignment(interrupt_rows.DELEGATE, by.id, asked, draft.now)
            return draft.ask(asked, rows)

    async def escalate(self, by: Principal, interrupt_id: str) -> Interrupt:
        async with self._transaction() as draft:
            asked = deciding.escalated(draft.interrupt(by.tenant, interrupt_id), by.id, by.roles, draft.now)
            rows = interrupt_rows.of_reassignment(interrupt_rows.ESCALATE, by.id, asked, draft.now)
            return draft.ask(asked, rows)

    async def withdraw(self, tenant: str, interrupt_id: str) -> Interrupt:
        async with self._transaction() as draft:
            before = draft.interrupt(tenant, interrupt_id)
            asked = deciding.withdrawn(before)
            return draft.ask(asked, interrupt_rows.of_withdrawal(asked, draft.now) if asked != before else ())

    async def cancel(self, tenant: str, run_id: str, by: str, reason: str) -> Run:
        async with self._transaction() as draft:
            state = draft.of_tenant(tenant, run_id)
            if state.run.status in TERMINAL and state.run.status is not RunStatus.CANCELLED:
                raise RunEnded(run_id, state.run.status)
            if state.run.status not in TERMINAL and state.run.cancel_at is None:
                draft.audit((tenant, by), CANCEL_RUN, run_id, {"reason": reason} if reason else None)
            draft.stop(state, by, reason)
            stopped = draft.runs[run_id].run  # children follow: what their ends send to it is not part of the answer
            draft.stop_below(run_id, by, reason)
            return stopped

    async def pause(self, tenant: str, run_id: str, by: str) -> Run:
        async with self._transaction() as draft:
            state = draft.alive(tenant, run_id)
            if not state.run.hold:
                running = state.run.status is RunStatus.RUNNING
                draft.change(state, hold=True, status=RunStatus.RUNNING if running else RunStatus.PAUSED)
                draft.hint(run_id, HintKind.CONTROL if running else HintKind.STATUS)
                draft.audit((tenant, by), PAUSE_RUN, run_id)
            return draft.runs[run_id].run

    async def resume(self, tenant: str, run_id: str, by: str) -> Run:
        async with self._transaction() as draft:
            state = draft.alive(tenant, run_id)
            if not state.run.hold and state.run.status is not RunStatus.PAUSED:
                raise NotHeld(f"run {run_id} is not paused")
            state = draft.change(state, hold=False)
            draft.audit((tenant, by), RESUME_RUN, run_id)
            if state.run.status is RunStatus.PAUSED:
                draft.queue(state)
            else:
                draft.hint(run_id, HintKind.CONTROL)
            return draft.runs[run_id].run

    # -- the leg that holds the epoch ----------------------------------------------------------------------------

    async def claim(self, worker_id: str, slots: int, terms: ClaimTerms = ANY_RUN) -> Sequence[Claimed]:
        async with self._transaction() as draft:
            wish = Wish(worker_id, slots, terms)
            return [_claim(draft, run, worker_id) for run in memory_claim.choose_runs(draft, wish, self._memory)]

    async def append(self, batch: Append) -> Sequence[Entry]:
        async with self._transaction() as draft:
            state = draft.owned(batch.run_id, batch.epoch)
            if batch.intents and (state.run.hold or state.run.cancel_at is not None):
                raise IntentRefused(f"{batch.run_id} is being cancelled or is paused: no new effect begins")
            state, written = draft.write(state, batch.entries, batch.epoch)
            for intent in batch.intents:
                state = _intend(state, intent.effect, draft.now)
            for close in batch.closes:
                state = _settle(state, close, draft.now)
            for n in batch.consumed:
                state = _consume(state, n)
            state = draft.put(spend(state, batch))
            for mail_id in batch.acknowledged:
                draft.acknowledge(batch.run_id, mail_id)
            for interrupt in batch.interrupts:
                _open(draft, state.run, interrupt)
            for child in batch.children:
                draft.start(child)
            draft.hint(batch.run_id, HintKind.PROGRESS)
            return written

    async def late(self, outcome: LateOutcome) -> bool:
        async with self._transaction() as draft:
            return memory_late.settle(draft, outcome)

    def standing(self, run_id: str, epoch: int) -> Standing:
        state = self._memory.runs.get(run_id)
        held = state is not None and state.run.epoch == epoch and state.run.status is RunStatus.RUNNING
        return Standing.SURE if held else Standing.LOST

    async def unread(self, run_id: str, epoch: int) -> tuple[int, Sequence[InboxRow]]:
        async with self._transaction() as draft:
            state = draft.owned(run_id, epoch)
            return state.run.inbox_seq, state.unread()

    async def park(self, park: Park) -> bool:
        async with self._transaction() as draft:
            state = draft.owned(park.run_id, park.epoch)
            if state.run.cancel_at is not None:
                draft.cancel(state)  # no leg is left that would obey
                return True
            if state.run.inbox_seq != park.inbox_seq or (park.status is RunStatus.PAUSED and not state.run.hold):
                return False
            status = RunStatus.PAUSED if state.run.hold else park.status
            draft.change(state, status=status, deaths=0, waits=tuple(copied(park.waits)), wake_at=park.wake_at)
            draft.hint(park.run_id, HintKind.STATUS)
            return True

    async def finish(self, run_id: str, epoch: int, ending: NewEntry, result: RunResult) -> Entry:
        async with self._transaction() as draft:
            return draft.end(draft.owned(run_id, epoch), epoch, ending, result)

    async def release(self, run_id: str, epoch: int) -> None:
        async with self._transaction() as draft:
            draft.let_go(draft.owned(run_id, epoch), epoch)

    # -- upkeep --------------------------------------------------------------------------------------------------

    async def recover(self) -> int:
        async with self._transaction() as draft:
            running = [state for state in draft.runs.values() if state.run.status is RunStatus.RUNNING]
            for state in running:
                draft.let_go(draft.count_death(state), state.run.epoch + 1)
            return len(running)

    async def pump(self) -> Pumped:
        async with self._transaction() as draft:
            woken = [state for state in draft.runs.values() if _due(state.run, draft.now)]
            for state in woken:
                draft.queue(state)
            late = [asked for asked in draft.interrupts.values() if deciding.overdue(asked, draft.now)]
            for asked in late:
                _expire(draft, deciding.expired(asked, draft.now))
            slow = [state for state in draft.runs.values() if _disobedient(state.run, draft.now)]
            for state in slow:
                draft.cancel(draft.runs[state.run.id])
            over = [state.run.id for state in draft.runs.values() if _overdue(state.run, draft.now)]
            for run_id in over:
                draft.end_overdue(draft.runs[run_id])
            behind = [state for state in draft.runs.values() if _left_behind(draft, state.run)]
            for state in behind:
                parent = draft.runs[state.run.parent_id or ""]
                by, why = parent.asked_by or SYSTEM.id, parent.asked_why
                draft.stop(draft.runs[state.run.id], by, why if parent.asked_by else "its parent has ended")
            return Pumped(len(woken), len(late), len(slow) + len(over) + len(behind))

    @asynccontextmanager
    async def _transaction(self) -> AsyncGenerator[Draft]:
        await self._clock.sleep(0)  # others may go first, as they may with a real store
        draft = Draft(self._memory, self._clock.now())
        yield draft
        draft.commit()
        self._dispatch.publish(draft.hints)


def _claim(draft: Draft, run: Run, worker_id: str) -> Claimed:
    state = draft.change(
        replace(draft.runs[run.id], owner=worker_id, claimed_seq=run.last_seq),
        status=RunStatus.RUNNING,
        epoch=run.epoch + 1,
        waits=(),
        wake_at=None,
        started_at=run.started_at or draft.now,
    )
    draft.hint(run.id, HintKind.STATUS)
    asked = sorted(
        (interrupt for interrupt in draft.interrupts.values() if interrupt.run_id == run.id),
        key=lambda interrupt: (interrupt.created_at, interrupt.id),
    )
    return Claimed(state.run, state.entries, state.unread(), state.effects, tuple(asked))


def _intend(state: RunState, effect: Effect, now: datetime) -> RunState:
    if any((effect.key, effect.attempt) == (known.key, known.attempt) for known in state.effects):
        raise JournalMismatch(f"the journal holds this already: {effect.key} attempt {effect.attempt}")
    opened = replace(effect, run_id=state.run.id, state=EffectState.INTENDED, intended_at=now, closed_at=None)
    return replace(state, effects=(*state.effects, opened))


def _settle(state: RunState, close: EffectClose, now: datetime) -> RunState:
    effects = list(state.effects)
    for index, effect in enumerate(effects):
        if (effect.key, effect.attempt) == (close.key, close.attempt):
            if effect.state in OPEN:
                effects[index] = replace(effect, state=close.state, closed_at=now)
            return replace(state, effects=tuple(effects))
    raise JournalMismatch(f"{state.run.id} has no effect {close.key} attempt {close.attempt}")


def _consume(state: RunState, n: int) -> RunState:
    if n not in {row.n for row in state.unread()}:
        raise JournalMismatch(f"{state.run.id} has no unread message {n}")
    letters = tuple(Letter(each.row, "consumed") if each.row.n == n else each for each in state.letters)
    return replace(state, letters=letters)


def _open(draft: Draft, run: Run, new: NewInterrupt) -> None:
    taken = any(asked.run_id == run.id and asked.key == new.key for asked in draft.interrupts.values())
    if taken or new.id in draft.interrupts:
        raise JournalMismatch(f"the journal holds this already: {new.id}")
    draft.interrupts[new.id] = Interrupt(
        id=new.id,
        tenant=run.tenant,
        run_id=run.id,
        key=new.key,
        kind=new.kind,
        status=InterruptStatus.PENDING,
        subject_hash=new.subject_hash,
        request=copied(new.request),
        risk=new.risk,
        reasons=new.reasons,
        requested_by=new.requested_by,
        created_at=draft.now,
        expires_at=new.expires_at,
        terms=new.terms,
        assignees=new.terms.assignees,
    )
    draft.tell(run.tenant, "interrupt.opened", run.id, {"interrupt_id": new.id, "kind": new.kind.value})


def _answer(draft: Draft, asked: Interrupt, rows: Sequence[Row]) -> Interrupt:
    """Keep an interrupt and, where something was decided, tell its run."""
    for decision in asked.decisions:
        body = {"interrupt_id": asked.id, "decision": encode(decision)}
        draft.deliver(draft.runs[asked.run_id], DECIDED, body, asked.id)
    return draft.ask(asked, rows)


def _expire(draft: Draft, asked: Interrupt) -> None:
    rows = interrupt_rows.of_expiry(asked, draft.now)
    if asked.status is InterruptStatus.EXPIRED and asked.terms.on_expiry is OnExpiry.CANCEL:
        draft.ask(asked, rows)
        draft.stop(draft.runs[asked.run_id], SYSTEM.id, f"nobody decided {asked.id} in time")
    else:
        _answer(draft, asked, rows)


def _left_behind(draft: Draft, run: Run) -> bool:
    """Whether nobody waits for a run any more: its parent has ended, or is being cancelled."""
    parent = draft.runs.get(run.parent_id or "")
    over = parent is not None and (parent.run.cancel_at is not None or parent.run.status in TERMINAL)
    return over and run.status not in TERMINAL and run.cancel_at is None


def _due(run: Run, now: datetime) -> bool:
    return run.status in WAITING and not run.hold and run.wake_at is not None and run.wake_at <= now


def _overdue(run: Run, now: datetime) -> bool:
    return run.status is RunStatus.PAUSED and run.deadline is not None and run.deadline <= now


def _disobedient(run: Run, now: datetime) -> bool:
    return run.status is RunStatus.RUNNING and run.cancel_at is not None and run.cancel_at + GRACE <= now

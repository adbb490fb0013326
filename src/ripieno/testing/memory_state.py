"""What `MemoryJournal` remembers, and the transitions that several of its transactions share.

Everything is immutable values in dictionaries. A transaction works on a `Draft` that shows its own changes over the
committed ones; leaving it without an exception commits, so that a refused transaction leaves nothing behind.
"""

from collections import ChainMap
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from ripieno.domain import dead_letters, jsons, mail
from ripieno.domain.batches import Append
from ripieno.domain.budgets import Reservation
from ripieno.domain.dead_letters import DeadLetter, Recorded
from ripieno.domain.effects import Effect, EffectState
from ripieno.domain.entries import Entry, EntryType, InboxRow, NewEntry, ending_key
from ripieno.domain.errors import JournalMismatch, LegLost, NotFound, RunEnded
from ripieno.domain.hints import Hint, HintKind
from ripieno.domain.interrupts import Interrupt, InterruptStatus
from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.mail import Mail
from ripieno.domain.outbox import AUDIT, OutboxRow, audit_body
from ripieno.domain.runs import (
    OVERDUE,
    TERMINAL,
    ExitReason,
    Multitask,
    NewRun,
    Run,
    RunError,
    RunResult,
    RunStatus,
    queued,
)
from ripieno.domain.sessions import Session
from ripieno.store import bodies

K = TypeVar("K")
V = TypeVar("V")

WAITING = frozenset({RunStatus.AWAITING_APPROVAL, RunStatus.AWAITING_INPUT, RunStatus.WAITING})


@dataclass(frozen=True)
class Letter:
    """A message, with what became of it: `unread`, `consumed` or `undelivered`."""

    row: InboxRow
    state: str = "unread"


@dataclass(frozen=True)
class Booked:
    """A reservation; settled, its amount is what was used."""

    what: Reservation
    open: bool = True


@dataclass(frozen=True)
class RunState:
    """A run and all that belongs to it.

    `owner` is who claimed it last, `claimed_seq` how far it was then, `asked_…` tells of a cancellation. `next_id` is
    the run of its session that waits for it, `superseded` how a later one ended it.
    """

    run: Run
    entries: tuple[Entry, ...] = ()
    letters: tuple[Letter, ...] = ()
    effects: tuple[Effect, ...] = ()
    booked: tuple[Booked, ...] = ()
    owner: str = ""
    claimed_seq: int = 0
    next_id: str | None = None
    superseded: Multitask | None = None
    asked_by: str = ""
    asked_why: str = ""

    def unread(self) -> tuple[InboxRow, ...]:
        """The messages that no leg has consumed."""
        return tuple(letter.row for letter in self.letters if letter.state == "unread")


@dataclass(frozen=True)
class Posted:
    """A message in its box, and who has it: a run with the key of its command, or somebody outside."""

    mail: Mail
    taken: tuple[str, str] | None = None
    acknowledged: bool = False


@dataclass
class Memory:
    """All that is committed."""

    runs: dict[str, RunState] = field(default_factory=dict[str, RunState])
    interrupts: dict[str, Interrupt] = field(default_factory=dict[str, Interrupt])
    sessions: dict[tuple[str, str], Session] = field(default_factory=dict[tuple[str, str], Session])
    dead: dict[str, DeadLetter] = field(default_factory=dict[str, DeadLetter])
    mail: dict[str, Posted] = field(default_factory=dict[str, Posted])
    told: list[OutboxRow] = field(default_factory=list[OutboxRow])
    max_running: dict[str, int] = field(default_factory=dict[str, int])
    """How many runs of a tenant may be under way."""
    served: str = ""
    """The tenant after whom the next claim begins."""


class Draft:
    """One transaction."""

    def __init__(self, memory: Memory, now: datetime) -> None:
        self.now = now
        self.runs: ChainMap[str, RunState] = ChainMap({}, memory.runs)
        self.interrupts: ChainMap[str, Interrupt] = ChainMap({}, memory.interrupts)
        self.sessions: ChainMap[tuple[str, str], Session] = ChainMap({}, memory.sessions)
        self.dead: ChainMap[str, DeadLetter] = ChainMap({}, memory.dead)
        self.mail: ChainMap[str, Posted] = ChainMap({}, memory.mail)
        self.hints: list[Hint] = []
        self._memory = memory
        self._told: list[OutboxRow] = []

    def commit(self) -> None:
        """Make the changes everybody's."""
        _merge(self.runs)
        _merge(self.interrupts)
        _merge(self.sessions)
        _merge(self.dead)
        _merge(self.mail)
        self._memory.told += self._told

    def hint(self, run_id: str, *kinds: HintKind) -> None:
        """Leave hints for after the commit."""
        self.hints.extend(Hint(kind, run_id) for kind in kinds)

    def tell(self, tenant: str, kind: str, run_id: str, body: JsonObject) -> None:
        """Write a row of the outbox."""
        pos = len(self._memory.told) + len(self._told) + 1
        self._told.append(OutboxRow(pos, tenant, kind, run_id, copied(body), self.now))

    # -- looking -------------------------------------------------------------------------------------------------

    def audit(self, who: tuple[str, str], action: str, run_id: str, detail: Json = None) -> None:
        """Write down that somebody, by tenant and name, did something to a run."""
        tenant, actor = who
        self.tell(tenant, AUDIT, run_id, audit_body(action, actor, run_id, self.now, detail))

    def of_tenant(self, tenant: str, run_id: str) -> RunState:
        """A tenant's run. Raises `NotFound`."""
        state = self.runs.get(run_id)
        if state is None or state.run.tenant != tenant:
            raise NotFound("run", run_id)
        return state

    def alive(self, tenant: str, run_id: str) -> RunState:
        """A tenant's run that has not ended. Raises `NotFound` and `RunEnded`."""
        state = self.of_tenant(tenant, run_id)
        if state.run.status in TERMINAL:
            raise RunEnded(run_id, state.run.status)
        return state

    def owned(self, run_id: str, epoch: int) -> RunState:
        """The run of the leg with this epoch. Raises `LegLost`."""
        state = self.runs.get(run_id)
        if state is None or state.run.epoch != epoch or state.run.status is not RunStatus.RUNNING:
            raise LegLost(f"epoch {epoch} of {run_id} is over")
        return state

    def interrupt(self, tenant: str, interrupt_id: str) -> Interrupt:
        """A tenant's interrupt. Raises `NotFound`."""
        asked = self.interrupts.get(interrupt_id)
        if asked is None or asked.tenant != tenant:
            raise NotFound("interrupt", interrupt_id)
        return asked

    def children(self, run_id: str) -> list[RunState]:
        """The runs that a run started."""
        return [state for state in self.runs.values() if state.run.parent_id == run_id]

    # -- changing ------------------------------------------------------------------------------------------------

    def change(self, state: RunState, **changes: Any) -> RunState:
        """Change fields of a run's row."""
        run = replace(state.run, updated_at=self.now, **changes)
        return self.put(replace(state, run=run))

    def put(self, state: RunState) -> RunState:
        """Keep a state."""
        self.runs[state.run.id] = state
        return state

    def ask(self, asked: Interrupt, rows: Sequence[tuple[str, JsonObject]]) -> Interrupt:
        """Keep an interrupt as it is now, and what the outbox says of it."""
        self.interrupts[asked.id] = asked
        for kind, body in rows:
            self.tell(asked.tenant, kind, asked.run_id, body)
        return asked

    def start(self, new: NewRun) -> bool:
        """Insert a queued run; False when its id exists."""
        if new.id in self.runs:
            return False
        session = self.sessions.get((new.tenant, new.session_id))
        if session is None:
            session = Session(new.session_id, new.tenant, new.created_by, self.now, self.now)
        self.sessions[new.tenant, new.session_id] = replace(session, updated_at=self.now)
        self.put(RunState(_fresh(new, self.now)))
        created = {
            "kind": new.kind.value,
            "target": new.target,
            "session_id": new.session_id,
            "parent_id": new.parent_id,
            "created_by": new.created_by,
        }
        self.tell(new.tenant, "run.created", new.id, created)
        self.hint(new.id, HintKind.WORK, HintKind.STATUS)
        return True

    def write(self, state: RunState, new: Sequence[NewEntry], epoch: int) -> tuple[RunState, tuple[Entry, ...]]:
        """Append entries to a run. Raises `JournalMismatch` for a key that is there."""
        taken = {entry.key for entry in state.entries}
        written: list[Entry] = []
        for seq, line in enumerate(new, start=state.run.last_seq + 1):
            if line.key in taken:
                raise JournalMismatch(f"the journal holds this already: {line.key}")
            taken.add(line.key)
            written.append(Entry(state.run.id, seq, line.key, line.type, copied(line.body), self.now, epoch))
        state = self.change(state, last_seq=state.run.last_seq + len(written))
        return self.put(replace(state, entries=state.entries + tuple(written))), tuple(written)

    def deliver(self, state: RunState, topic: str, body: JsonObject, dedupe: str) -> int:
        """Put a message in the inbox of a run that has not ended, and wake it."""
        for letter in state.letters:
            if letter.row.dedupe == dedupe:
                return letter.row.n
        row = InboxRow(state.run.inbox_seq + 1, topic, copied(body), dedupe)
        state = self.change(replace(state, letters=(*state.letters, Letter(row))), inbox_seq=row.n)
        if state.run.status in WAITING and not state.run.hold:
            self.queue(state)
        elif state.run.status is RunStatus.RUNNING:
            self.hint(state.run.id, HintKind.CONTROL)
        return row.n

    def queue(self, state: RunState) -> None:
        """Let a parked run be claimed."""
        self.change(state, status=RunStatus.QUEUED, waits=(), wake_at=None)
        self.hint(state.run.id, HintKind.WORK, HintKind.STATUS)

    def let_go(self, state: RunState, epoch: int) -> None:
        """Take a running run from its leg: to the queue, to its pause or, where that was asked for, to its end."""
        run = state.run
        if run.cancel_at is not None:
            self.cancel(state)
            return
        self.change(state, status=RunStatus.PAUSED if run.hold else RunStatus.QUEUED, epoch=epoch)
        self.hint(run.id, HintKind.STATUS)
        if not run.hold:
            self.hint(run.id, HintKind.WORK)

    def count_death(self, state: RunState) -> RunState:
        """The worker of a running run died; that is held against a run which took no step forward in its leg."""
        later = state.entries[state.claimed_seq :]
        stepped = any(entry.type is not EntryType.EFFECT_INTENDED for entry in later)
        return self.change(state, deaths=0 if stepped else state.run.deaths + 1)

    def stop(self, state: RunState, by: str, reason: str) -> None:
        """Cancel one run, if it has not ended and nobody has asked before."""
        run = state.run
        if run.status not in TERMINAL and run.cancel_at is None:
            state = self.change(replace(state, asked_by=by, asked_why=reason), cancel_at=self.now)
            if run.status is RunStatus.RUNNING:
                self.hint(run.id, HintKind.CONTROL)
            else:
                self.cancel(state)

    def stop_below(self, run_id: str, by: str, reason: str) -> None:
        """Cancel the runs below a cancelled one."""
        below = self.children(run_id)
        while below:
            child = below.pop()
            self.stop(child, by, reason)
            below += self.children(child.run.id)

    def cancel(self, state: RunState) -> None:
        """End a run without its leg, under a new epoch."""
        said = f"cancelled by {state.asked_by}" + (f": {state.asked_why}" if state.asked_why else "")
        result = RunResult(RunStatus.CANCELLED, ExitReason.OPERATOR, error=RunError("cancelled", said))
        ending = NewEntry(ending_key(state.run.generation), EntryType.RUN_CANCELLED, {"result": jsons.encode(result)})
        self.end(state, state.run.epoch + 1, ending, result)

    def end_overdue(self, state: RunState) -> None:
        """End a run that has no leg, because its deadline has passed."""
        ending = NewEntry(ending_key(state.run.generation), EntryType.RUN_FAILED, {"result": jsons.encode(OVERDUE)})
        self.end(state, state.run.epoch + 1, ending, OVERDUE)

    def bury(self, state: RunState, result: RunResult) -> None:
        """Keep what a run that ends leaves undone."""
        bodies_by_key = {entry.key: entry.body for entry in state.entries}
        recorded = [
            Recorded(
                effect,
                bodies_by_key.get(f"{effect.key}/intent/{effect.attempt}", {}).get("arguments", {}),
                bodies_by_key.get(effect.key, {}).get("result", {}).get("text", ""),
            )
            for effect in state.effects
        ]
        run = replace(state.run, updated_at=self.now)
        for letter in dead_letters.left_by(run, result, recorded, state.unread()):
            self.dead.setdefault(letter.id, replace(letter, payload=copied(letter.payload)))

    def acknowledge(self, run_id: str, mail_id: str) -> None:
        """What a run took from a mailbox stands in its journal."""
        posted = self.mail.get(mail_id)
        if posted is not None and posted.taken is not None and posted.taken[0] == run_id:
            self.mail[mail_id] = replace(posted, acknowledged=True)

    def give_back(self, run: Run) -> None:
        """Put back into their boxes what a run took and did not write down."""
        for posted in list(self.mail.values()):
            if posted.taken is not None and posted.taken[0] == run.id and not posted.acknowledged:
                self.mail[posted.mail.id] = Posted(posted.mail)
                self.hint(mail.bell(run.tenant, posted.mail.box), HintKind.PROGRESS)

    def _step_out(self, state: RunState) -> RunState:
        """Take a run out of the queue of its session."""
        before, after = self.runs.get(state.run.after_id or ""), self.runs.get(state.next_id or "")
        if after is not None:
            after = self.change(after, after_id=state.run.after_id)
            if before is None and after.run.status is RunStatus.QUEUED:
                self.hint(after.run.id, HintKind.WORK, HintKind.STATUS)
        if before is not None:
            self.change(replace(before, next_id=state.next_id))
        return self.change(replace(state, next_id=None), after_id=None)

    def end(self, state: RunState, epoch: int, ending: NewEntry, result: RunResult) -> Entry:
        """Write a run's last entry and do what its end means to others."""
        self.bury(state, result)
        self.give_back(state.run)
        state = self._step_out(state)
        state, (entry,) = self.write(state, [ending], epoch)
        letters = tuple(
            replace(letter, state="undelivered") if letter.state == "unread" else letter for letter in state.letters
        )
        effects = tuple(
            replace(effect, state=EffectState.UNKNOWN) if effect.state is EffectState.INTENDED else effect
            for effect in state.effects
        )
        booked = tuple(replace(each, open=False) for each in state.booked)
        state = self.change(
            replace(state, letters=letters, effects=effects, booked=booked),
            status=result.status,
            exit_reason=result.exit_reason,
            result=jsons.decode(RunResult, copied(jsons.encode(result))),
            epoch=epoch,
            waits=(),
            wake_at=None,
            ended_at=self.now,
            deaths=0,
        )
        for interrupt in list(self.interrupts.values()):
            if interrupt.run_id == state.run.id and interrupt.status is InterruptStatus.PENDING:
                self.interrupts[interrupt.id] = replace(interrupt, status=InterruptStatus.VOID)
        ended = {"status": result.status.value, "exit_reason": result.exit_reason.value}
        self.tell(state.run.tenant, "run.ended", state.run.id, ended)
        self.hint(state.run.id, HintKind.PROGRESS, HintKind.STATUS)
        parent = self.runs.get(state.run.parent_id or "")
        if parent is not None and parent.run.status not in TERMINAL:
            body = {"run_id": state.run.id, "result": jsons.encode(result)}
            self.deliver(parent, "child.ended", body, state.run.id)
        return entry


def spend(state: RunState, batch: Append) -> RunState:
    """Write what a batch reserves and settles."""
    known = {(each.what.key, each.what.scope, each.what.window) for each in state.booked}
    new = [Booked(one) for one in batch.reserves if (one.key, one.scope, one.window) not in known]
    used = {one.key: one.amount for one in batch.settles}
    booked = tuple(
        Booked(replace(each.what, amount=used[each.what.key]), open=False)
        if each.open and each.what.key in used
        else each
        for each in (*state.booked, *new)
    )
    return replace(state, booked=booked)


def _merge(view: ChainMap[K, V]) -> None:
    changes, committed = view.maps
    committed.update(changes)


def copied(body: Json) -> Json:
    """A body as it will be read back: a copy, and JSON. Raises `Invalid`."""
    return bodies.load(bodies.dump(body))


def _fresh(new: NewRun, now: datetime) -> Run:
    given = jsons.decode(type(new.input), copied(jsons.encode(new.input)))
    return replace(queued(new, now), input=given, metadata=copied(new.metadata))

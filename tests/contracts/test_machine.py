"""Memory and each other store side by side through random histories: same answers, same state, and DESIGN §4 holds.

The clock stands between them, so that even times are the same.
"""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ripieno.domain import ids
from ripieno.domain.batches import Append, ClaimTerms, EffectClose, LateOutcome, Park
from ripieno.domain.effects import OPEN, EffectState
from ripieno.domain.entries import Entry, EntryType, NewEntry
from ripieno.domain.errors import RipienoError
from ripieno.domain.filters import InterruptFilter, RunFilter
from ripieno.domain.interrupts import (
    EVERYBODY,
    Decision,
    DecisionKind,
    Interrupt,
    InterruptKind,
    NewInterrupt,
    OnExpiry,
    Terms,
)
from ripieno.domain.mail import Mail, NewMail, Receiver
from ripieno.domain.principals import Principal
from ripieno.domain.runs import PARKED, TERMINAL, Lane, Multitask, NewRun, Run, RunInput, RunKind, RunResult, RunStatus
from ripieno.ports import Journal
from ripieno.store.dispatch_local import LocalDispatch
from ripieno.testing.fake_clock import FakeClock
from tests.contracts.bed import ENDING, STORES, TENANT, Bed, encoded, intent
from tests.contracts.promises import Promises, Standing
from tests.contracts.test_mailboxes import BOX, on
from tests.servers import postgres

NUMBERS = st.integers(0, 5)
PEOPLE = st.sampled_from(
    [Principal("person0", TENANT), Principal("person1", TENANT, ("finance",)), Principal("person2", TENANT, ("admin",))]
)
ASKED_ON = st.builds(
    Terms,
    required=st.integers(1, 2),
    exclude_requester=st.booleans(),
    assignees=st.sampled_from([(), ("person0", "role:finance")]),
    seconds=st.just(4.0),
    on_expiry=st.sampled_from(OnExpiry),
)
KEYS = st.sampled_from("abc")
ENDS = (EffectState.DONE, EffectState.FAILED)
STALE = st.sampled_from([0, 0, 0, 0, 0, -1])
TERMS = st.builds(
    ClaimTerms,
    lane=st.sampled_from([Lane.BATCH, Lane.BATCH, Lane.DEFAULT]),
    suspects_first=st.booleans(),
    tenant_running=st.sampled_from([None, None, 2, 4]),
    each_agent=st.sampled_from([None, None, 1, 2]),
)
WAITING = st.sampled_from([RunStatus.AWAITING_APPROVAL, RunStatus.AWAITING_INPUT, RunStatus.WAITING])


class Journals(RuleBasedStateMachine):
    """Every rule is one transaction, done in memory and on the store that is tested."""

    against = "sqlite"

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.open = AsyncExitStack()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = FakeClock()
        self.beds: list[Bed] = []
        self.runs: list[str] = []
        self.turn = 0
        self.promises = Promises()
        self.posted: set[str] = set()
        self.taken: dict[str, tuple[str, str]] = {}
        """Messages that a run has taken, and by which of its commands."""
        self.kept: set[str] = set()

    @initialize()
    def begin(self) -> None:
        for opener in (STORES["memory"], STORES[self.against]):
            dispatch = LocalDispatch()
            opened = opener(Path(self.folder.name), self.clock, dispatch)
            store = self.runner.run(self.open.enter_async_context(opened))
            self.beds.append(Bed(store, self.clock, dispatch))

    def teardown(self) -> None:
        self.runner.run(self.open.aclose())
        self.runner.close()
        self.folder.cleanup()

    def all(self, transaction: Callable[[Journal], Awaitable[Any]]) -> Any:
        """Do it on every journal; the answers, or the kinds of refusal, must agree."""
        return self.each(lambda bed: transaction(bed.journal))

    def each(self, transaction: Callable[[Bed], Awaitable[Any]]) -> Any:
        """The same for what is no verb of the journal."""

        async def outcome(bed: Bed) -> Any:
            try:
                answer: Any = await transaction(bed)
            except RipienoError as error:
                return error.code
            return tuple(cast("Sequence[Any]", answer)) if isinstance(answer, Sequence) else answer

        first, *others = [self.runner.run(outcome(bed)) for bed in self.beds]
        assert all(other == first for other in others), (first, others)
        return first

    def run_of(self, number: int) -> Run:
        run_id = self.runs[number % len(self.runs)]
        return self.runner.run(self.beds[0].records.run(TENANT, run_id))

    def rows(self) -> Sequence[Run]:
        return self.runner.run(self.beds[0].records.runs(TENANT, RunFilter(), 100))

    def key(self, key: str) -> str:
        """Keys are mostly new, and sometimes an old one again."""
        self.turn += 1
        return f"{key}{self.turn // 2}"

    # -- rules ---------------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.runs) < 6)
    @rule(
        parent=st.none() | NUMBERS,
        lane=st.sampled_from(["interactive", "default", "batch"]),
        priority=NUMBERS,
        agent=st.sampled_from(["clerk", "scribe"]),
        multitask=st.sampled_from([None, None, *Multitask]),
    )
    def start(self, parent: int | None, lane: str, priority: int, agent: str, multitask: Multitask | None) -> None:
        parent_id = self.runs[parent % len(self.runs)] if parent is not None and self.runs else None
        multitask = None if parent_id else multitask
        run = self.new(lane=lane, priority=priority, parent_id=parent_id, target=agent, multitask=multitask)
        answer = self.all(lambda journal: journal.start(run))
        assert answer is True or (answer, multitask) == ("session_busy", Multitask.REJECT)
        self.runs += [run.id] if answer is True else []

    def new(self, **fields: Any) -> NewRun:
        run_id = self.clock.new_id(ids.RUN)
        target = fields.pop("target", "clerk")
        return NewRun(run_id, TENANT, RunKind.AGENT, target, "v1", "ses_1", RunInput("go"), "alice", **fields)

    @rule(slots=st.integers(1, 4), terms=TERMS)
    def claim(self, slots: int, terms: ClaimTerms) -> None:
        claimed = self.all(lambda journal: journal.claim("w1", slots, terms))
        assert len({each.run.id for each in claimed}) == len(claimed) <= slots
        assert all(each.run.after_id is None for each in claimed)
        assert len(claimed) <= 1 or all(each.run.deaths == 0 for each in claimed)
        running = [run for run in self.rows() if run.status is RunStatus.RUNNING]
        assert not claimed or terms.tenant_running is None or len(running) <= terms.tenant_running
        agents = Counter(run.target for run in running)
        assert terms.each_agent is None or all(agents[each.run.target] <= terms.each_agent for each in claimed)

    @precondition(lambda self: self.runs)
    @rule(number=NUMBERS, stale=STALE, key=KEYS, consumed=st.none() | st.integers(1, 3), terms=st.none() | ASKED_ON)
    def append(self, number: int, stale: int, key: str, consumed: int | None, terms: Terms | None) -> None:
        run = self.run_of(number)
        key = self.key(key)
        asked = NewInterrupt(
            id=ids.derive(ids.APPROVAL, run.id, key),
            key=key,
            kind=InterruptKind.APPROVAL,
            subject_hash="hash",
            request={},
            requested_by="person0",
            expires_at=self.beds[0].after(4),
            terms=terms or EVERYBODY,
        )
        entries = (
            NewEntry(key, EntryType.MODEL_REPLIED, {"n": self.turn}),
            NewEntry(f"{key}+", EntryType.TOOL_RETURNED, {}),
        )
        batch = Append(
            run.id,
            run.epoch + stale,
            entries,
            consumed=(consumed,) if consumed else (),
            interrupts=(asked,) if terms else (),
        )
        answer = self.all(lambda journal: journal.append(batch))
        self.heard(batch, answer)
        assert stale == 0 or answer == "leg_lost"

    @precondition(lambda self: self.runs)
    @rule(number=NUMBERS, key=KEYS, attempt=st.integers(1, 2))
    def intend(self, number: int, key: str, attempt: int) -> None:
        run = self.run_of(number)
        entry = NewEntry(self.key(f"{key}/intent"), EntryType.EFFECT_INTENDED, {})
        batch = Append(run.id, run.epoch, (entry,), intents=(intent(run, key, attempt),))
        answer = self.all(lambda journal: journal.append(batch))
        self.heard(batch, answer)
        assert not (isinstance(answer, tuple) and (run.hold or run.cancel_at))

    @precondition(lambda self: self.runs)
    @rule(number=NUMBERS, key=KEYS, state=st.sampled_from([EffectState.DONE, EffectState.FAILED]))
    def close(self, number: int, key: str, state: EffectState) -> None:
        run = self.run_of(number)
        entry = NewEntry(self.key(key), EntryType.TOOL_RETURNED, {})
        batch = Append(run.id, run.epoch, (entry,), closes=(EffectClose(key, 1, state),))
        self.heard(batch, self.all(lambda journal: journal.append(batch)))

    @precondition(lambda self: self.runs)
    @rule(number=NUMBERS, key=KEYS, attempt=st.integers(1, 2), state=st.sampled_from(ENDS))
    def late(self, number: int, key: str, attempt: int, state: EffectState) -> None:
        """Whoever has the run, or whether it has ended: what is open is closed, and nothing else."""
        run = self.run_of(number)
        before = self.effect(run, key, attempt)
        outcome = LateOutcome(TENANT, run.id, EffectClose(key, attempt, state), {"n": self.turn})
        settled = self.all(lambda journal: journal.late(outcome))
        assert settled is (before in OPEN)
        assert self.effect(run, key, attempt) == (state if settled else before)
        told = settled and run.status not in TERMINAL
        assert self.run_of(number).inbox_seq == run.inbox_seq + told

    def effect(self, run: Run, key: str, attempt: int) -> EffectState | None:
        effects = self.runner.run(self.beds[0].records.effects(TENANT, run.id))
        return next((one.state for one in effects if (one.key, one.attempt) == (key, attempt)), None)

    @rule()
    def post(self) -> None:
        new = NewMail(self.clock.new_id(ids.MESSAGE), TENANT, BOX, "alice", self.turn)
        self.each(lambda bed: on(bed).post(new))
        self.posted.add(new.id)

    @precondition(lambda self: self.runs)
    @rule(number=NUMBERS, stale=STALE, key=KEYS, ends=st.booleans())
    def take(self, number: int, stale: int, key: str, ends: bool) -> None:
        """Mostly by a run that can, and often just before it ends."""
        running = [run for run in self.rows() if run.status is RunStatus.RUNNING] or [self.run_of(number)]
        run = running[number % len(running)]
        wish = Receiver(TENANT, run.id, run.epoch + stale, key)
        taken = self.each(lambda bed: on(bed).take(wish, (BOX,), stay=False))
        if isinstance(taken, Mail):
            assert self.taken.get(taken.id, (run.id, key)) == (run.id, key)
            self.taken[taken.id] = (run.id, key)
        if ends:
            self.all(lambda journal: journal.cancel(TENANT, run.id, "bob", "why"))
            self.pump(6)

    @precondition(lambda self: self.taken)
    @rule(number=NUMBERS)
    def acknowledge(self, number: int) -> None:
        mail_id = sorted(self.taken)[number % len(self.taken)]
        run = self.runner.run(self.beds[0].records.run(TENANT, self.taken[mail_id][0]))
        entry = NewEntry(self.key("wait/end"), EntryType.WAIT_ENDED, {})
        batch = Append(run.id, run.epoch, (entry,), acknowledged=(mail_id,))
        answer = self.all(lambda journal: journal.append(batch))
        self.heard(batch, answer)
        if isinstance(answer, tuple):
            self.kept.add(mail_id)

    @precondition(lambda self: self.runs)
    @rule(number=NUMBERS)
    def start_child(self, number: int) -> None:
        run = self.run_of(number)
        child = self.new(parent_id=run.id, parent_key="child", root_id=run.root_id)
        batch = Append(
            run.id, run.epoch, (NewEntry(self.key("child"), EntryType.CHILD_STARTED, {}),), children=(child,)
        )
        if isinstance(self.all(lambda journal: journal.append(batch)), tuple):
            self.runs.append(child.id)

    @precondition(lambda self: self.runs)
    @rule(number=NUMBERS, dedupe=KEYS)
    def send(self, number: int, dedupe: str) -> None:
        run = self.run_of(number)
        answer = self.all(lambda journal: journal.send(TENANT, run.id, "note", {"n": self.turn}, dedupe))
        woken = run.status in PARKED and not run.hold and isinstance(answer, int) and answer > run.inbox_seq
        assert self.run_of(number).status == (RunStatus.QUEUED if woken else run.status)

    @precondition(lambda self: self.runs)
    @rule(
        number=NUMBERS,
        person=PEOPLE,
        kind=st.sampled_from([DecisionKind.APPROVE, DecisionKind.APPROVE, DecisionKind.DENY, DecisionKind.ANSWER]),
    )
    def decide(self, number: int, person: Principal, kind: DecisionKind) -> None:
        interrupt_id = self.asked(number)
        said = Decision(kind, person.id)
        self.all(lambda journal: journal.decide(TENANT, interrupt_id, said, person.roles))

    @precondition(lambda self: self.runs)
    @rule(number=NUMBERS, person=PEOPLE, what=st.sampled_from(["delegate", "escalate", "withdraw"]))
    def hand_on(self, number: int, person: Principal, what: str) -> None:
        interrupt_id = self.asked(number)
        match what:
            case "delegate":
                self.all(lambda journal: journal.delegate(person, interrupt_id, [f"person{number}"]))
            case "escalate":
                self.all(lambda journal: journal.escalate(person, interrupt_id))
            case _:
                self.all(lambda journal: journal.withdraw(TENANT, interrupt_id))

    def asked(self, number: int) -> str:
        """One of the newest questions."""
        asked = self.runner.run(self.beds[0].records.interrupts(TENANT, InterruptFilter(), 6))
        return asked[number % len(asked)].id if asked else "apr_0"

    @precondition(lambda self: self.runs)
    @rule(number=NUMBERS, what=st.sampled_from(["cancel", "pause", "pause", "resume", "resume"]))
    def control(self, number: int, what: str) -> None:
        run_id = self.run_of(number).id
        match what:
            case "cancel":
                self.all(lambda journal: journal.cancel(TENANT, run_id, "bob", "why"))
            case "pause":
                self.all(lambda journal: journal.pause(TENANT, run_id, "alice"))
            case _:
                self.all(lambda journal: journal.resume(TENANT, run_id, "alice"))

    @precondition(lambda self: self.runs)
    @rule(number=NUMBERS, stale=STALE, status=WAITING, behind=st.sampled_from([0, 0, 1]), wake=st.none() | NUMBERS)
    def park(self, number: int, stale: int, status: RunStatus, behind: int, wake: int | None) -> None:
        run = self.run_of(number)
        wake_at = None if wake is None else self.beds[0].after(wake)
        wish = Park(run.id, run.epoch + stale, status, run.inbox_seq - behind, ({"for": "x"},), wake_at)
        answer = self.all(lambda journal: journal.park(wish))
        assert answer in {True, False, "leg_lost"}
        assert not (answer is True and behind and run.cancel_at is None), "a message was passed over"

    @precondition(lambda self: self.runs)
    @rule(number=NUMBERS, stale=STALE, status=st.sampled_from(sorted(TERMINAL)))
    def finish(self, number: int, stale: int, status: RunStatus) -> None:
        run = self.run_of(number)
        kind, reason = ENDING[status]
        result = RunResult(status, reason, "42")
        ending = NewEntry("end", kind, {"result": encoded(result)})
        self.all(lambda journal: journal.finish(run.id, run.epoch + stale, ending, result))

    @precondition(lambda self: self.runs)
    @rule(number=NUMBERS, stale=STALE)
    def release(self, number: int, stale: int) -> None:
        run = self.run_of(number)
        self.all(lambda journal: journal.release(run.id, run.epoch + stale))

    @precondition(lambda self: self.runs)
    @rule(number=NUMBERS, stale=STALE)
    def unread(self, number: int, stale: int) -> None:
        run = self.run_of(number)
        self.all(lambda journal: journal.unread(run.id, run.epoch + stale))

    @rule()
    def recover(self) -> None:
        self.each(lambda bed: bed.recover())

    @rule(seconds=st.sampled_from([0, 1, 3, 6]))
    def pump(self, seconds: int) -> None:
        self.clock.advance(seconds)
        self.all(lambda journal: journal.pump())

    @invariant()
    def no_mail_is_lost(self) -> None:
        """7: it lies in its box, or a run that has not ended has it, or it stands in the journal of one."""
        if self.beds:
            over = {run.id for run in self.rows() if run.status in TERMINAL}
            self.taken = {one: by for one, by in self.taken.items() if one in self.kept or by[0] not in over}
            unread = self.each(lambda bed: on(bed).unread(TENANT, BOX, 1000))
            assert {each.id for each in unread} == self.posted - self.taken.keys()

    # -- what must hold after each -------------------------------------------------------------------------------

    @invariant()
    def stores_agree_and_promises_hold(self) -> None:
        if self.beds:
            states = [self.runner.run(self.state(bed)) for bed in self.beds]
            assert all(state == states[0] for state in states)
            self.promises.check(*states[0])

    async def state(self, bed: Bed) -> tuple[list[Standing], list[Interrupt]]:
        return await standing(bed, self.promises), list(await bed.records.interrupts(TENANT, InterruptFilter(), 100))

    def heard(self, batch: Append, answer: Any) -> None:
        """What the answer to an append promises."""
        written = cast("Sequence[Entry]", answer) if isinstance(answer, tuple) else None
        self.promises.heard(batch.run_id, [entry.key for entry in batch.entries], written)


async def standing(bed: Bed, promises: Promises) -> list[Standing]:
    """All runs of a store, as one that follows them reads them."""
    found: list[Standing] = []
    for run in await bed.records.runs(TENANT, RunFilter(), 100):
        entries = await bed.records.entries(TENANT, run.id)
        news = await bed.records.entries(TENANT, run.id, promises.cursor(run.id))
        found.append(Standing(run, list(entries), list(news), list(await bed.records.effects(TENANT, run.id))))
    return found


class JournalsOnPostgres(Journals):
    """The same, beside PostgreSQL."""

    against = "postgres"


TestJournals = Journals.TestCase
TestJournals.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)

TestJournalsOnPostgres = postgres.NEEDS(JournalsOnPostgres.TestCase)
TestJournalsOnPostgres.settings = settings(max_examples=12, stateful_step_count=30, deadline=None)

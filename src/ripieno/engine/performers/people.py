"""Asks people: opens an interrupt once, and finds its decision in the journal or the inbox."""

from dataclasses import dataclass
from datetime import timedelta

from ripieno.domain import ids, jsons
from ripieno.domain.batches import EffectClose
from ripieno.domain.entries import EntryType, NewEntry
from ripieno.domain.interrupts import Decision, InterruptKind, NewInterrupt
from ripieno.domain.jsons import JsonObject
from ripieno.domain.runs import RunStatus
from ripieno.engine.leg import Blocked, Leg
from ripieno.ports import Clock

DECIDED = "interrupt.decided"
EXPIRES_AFTER = timedelta(days=3)

PARKED_AS = {
    InterruptKind.APPROVAL: RunStatus.AWAITING_APPROVAL,
    InterruptKind.BUDGET: RunStatus.AWAITING_APPROVAL,
    InterruptKind.QUESTION: RunStatus.AWAITING_INPUT,
    InterruptKind.UNKNOWN_EFFECT: RunStatus.AWAITING_INPUT,
}


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask. `subject_hash` binds the answer to exactly this."""

    kind: InterruptKind
    subject_hash: str
    request: JsonObject
    risk: str
    reasons: tuple[str, ...]


class PeoplePerformer:
    """One interrupt a key; the run waits without a leg until it is decided."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def ask(self, leg: Leg, key: str, question: Question, close: EffectClose | None = None) -> Decision:
        """The decision about exactly this question: one about another subject does not count, and it is asked again.

        `close` goes into the ledger with the question.

        Raises:
            Blocked: There is none yet.
        """
        interrupt_id = ids.derive(ids.APPROVAL, leg.run.id, key)
        if (opened := leg.recorded.get(key)) is None:
            await self._open(leg, key, interrupt_id, question, close)
        elif opened.body["subject_hash"] != question.subject_hash:
            return await self.ask(leg, f"{key}/again", question, close)
        if entry := leg.recorded.get(f"{key}/decision"):
            return jsons.decode(Decision, entry.body["decision"])
        row = leg.received(DECIDED, "interrupt_id", interrupt_id)
        if row is None:
            wait = {"for": question.kind.value, "interrupt_id": interrupt_id}
            raise Blocked(PARKED_AS[question.kind], [wait])
        body = {"interrupt_id": interrupt_id, "decision": row.body["decision"]}
        await leg.append(NewEntry(f"{key}/decision", EntryType.INTERRUPT_DECIDED, body), consumed=row)
        return jsons.decode(Decision, row.body["decision"])

    async def _open(self, leg: Leg, key: str, interrupt_id: str, question: Question, close: EffectClose | None) -> None:
        interrupt = NewInterrupt(
            id=interrupt_id,
            key=key,
            kind=question.kind,
            subject_hash=question.subject_hash,
            request=question.request,
            risk=question.risk,
            reasons=question.reasons,
            requested_by=leg.run.created_by,
            expires_at=self._clock.now() + EXPIRES_AFTER,
        )
        body = {
            "interrupt_id": interrupt_id,
            "kind": question.kind.value,
            "subject_hash": question.subject_hash,
            "request": question.request,
            "risk": question.risk,
            "reasons": list(question.reasons),
        }
        await leg.append(NewEntry(key, EntryType.INTERRUPT_OPENED, body), interrupt=interrupt, close=close)

"""Asks people: opens an interrupt once, and finds its decision in the journal or the inbox."""

from dataclasses import dataclass, replace
from datetime import timedelta

from ripieno.domain import ids, jsons
from ripieno.domain.batches import EffectClose
from ripieno.domain.entries import EntryType, NewEntry
from ripieno.domain.interrupts import (
    EVERYBODY,
    Decision,
    DecisionKind,
    Interrupt,
    InterruptKind,
    InterruptStatus,
    NewInterrupt,
    Terms,
)
from ripieno.domain.jsons import JsonObject
from ripieno.domain.runs import RunStatus
from ripieno.engine.leg import Blocked, Leg
from ripieno.ports import Clock

DECIDED = "interrupt.decided"

PARKED_AS = {
    InterruptKind.APPROVAL: RunStatus.AWAITING_APPROVAL,
    InterruptKind.BUDGET: RunStatus.AWAITING_APPROVAL,
    InterruptKind.QUESTION: RunStatus.AWAITING_INPUT,
    InterruptKind.UNKNOWN_EFFECT: RunStatus.AWAITING_INPUT,
}
PERMISSIONS = frozenset({InterruptKind.APPROVAL, InterruptKind.BUDGET})
"""What the usual rules about approvers are about; whoever knows the answer may answer the rest."""


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask. `subject_hash` binds the answer to exactly this; without `terms` the usual ones hold."""

    kind: InterruptKind
    subject_hash: str
    request: JsonObject
    risk: str
    reasons: tuple[str, ...]
    terms: Terms | None = None


class PeoplePerformer:
    """One interrupt a key; the run waits without a leg until it is decided.

    `usual` are the terms on which approvals are given where nothing else is said.
    """

    def __init__(self, clock: Clock, usual: Terms = EVERYBODY) -> None:
        self._clock = clock
        self.usual = usual

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
            await self._withdraw(leg, key)
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

    async def take_back(self, leg: Leg, key: str) -> Decision | None:
        """Ask nobody any more under this key. A no that was said before stands, and is answered."""
        while key in leg.recorded:
            asked = await self._withdraw(leg, key)
            if asked.decisions and asked.decisions[-1].kind is DecisionKind.DENY:
                return asked.decisions[-1]
            key = f"{key}/again"
        return None

    async def settle(self, leg: Leg, key: str) -> None:
        """Ask nobody any more under this key, because it is known. What somebody said meanwhile is put on record."""
        while key in leg.recorded:
            asked = await self._withdraw(leg, key)
            if f"{key}/decision" not in leg.recorded and (row := leg.received(DECIDED, "interrupt_id", asked.id)):
                body = {"interrupt_id": asked.id, "decision": row.body["decision"]}
                await leg.append(NewEntry(f"{key}/decision", EntryType.INTERRUPT_DECIDED, body), consumed=row)
            key = f"{key}/again"

    async def _withdraw(self, leg: Leg, key: str) -> Interrupt:
        """Take a question back where nobody has answered it; whoever follows the run sees that."""
        asked = await leg.withdraw(key)
        if asked.status is InterruptStatus.VOID and f"{key}/withdrawn" not in leg.recorded:
            body = {"interrupt_id": asked.id, "kind": asked.kind.value}
            await leg.append(NewEntry(f"{key}/withdrawn", EntryType.INTERRUPT_WITHDRAWN, body))
        return asked

    async def _open(self, leg: Leg, key: str, interrupt_id: str, question: Question, close: EffectClose | None) -> None:
        terms = self._terms(question)
        expires_at = self._clock.now() + timedelta(seconds=terms.seconds)
        interrupt = NewInterrupt(
            id=interrupt_id,
            key=key,
            kind=question.kind,
            subject_hash=question.subject_hash,
            request=question.request,
            risk=question.risk,
            reasons=question.reasons,
            requested_by=leg.run.created_by,
            expires_at=expires_at,
            terms=terms,
        )
        body = {
            "interrupt_id": interrupt_id,
            "kind": question.kind.value,
            "subject_hash": question.subject_hash,
            "request": question.request,
            "risk": question.risk,
            "reasons": list(question.reasons),
            "terms": jsons.encode(terms),
            "expires_at": expires_at.isoformat(),
        }
        await leg.append(NewEntry(key, EntryType.INTERRUPT_OPENED, body), interrupt=interrupt, close=close)

    def _terms(self, question: Question) -> Terms:
        if question.terms is not None:
            return question.terms
        if question.kind in PERMISSIONS:
            return self.usual
        return replace(self.usual, required=1, exclude_requester=False, assignees=())

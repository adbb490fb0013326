"""What the outbox says of interrupts: a row for whoever watches, and one for the audit."""

from datetime import datetime
from typing import TypeAlias

from ripieno.domain.interrupts import Decision, DecisionKind, Interrupt, InterruptKind, InterruptStatus
from ripieno.domain.jsons import JsonObject, encode
from ripieno.domain.outbox import AUDIT, audit_body
from ripieno.domain.principals import SYSTEM

DECIDED = "interrupt.decided"
VOTED = "interrupt.voted"
REASSIGNED = "interrupt.reassigned"

DELEGATE, ESCALATE = "DELEGATE_INTERRUPT", "ESCALATE_INTERRUPT"

ACTIONS = {
    (InterruptKind.APPROVAL, DecisionKind.APPROVE): "APPROVE_ACTION",
    (InterruptKind.APPROVAL, DecisionKind.DENY): "DENY_ACTION",
    (InterruptKind.BUDGET, DecisionKind.APPROVE): "RAISE_BUDGET",
    (InterruptKind.BUDGET, DecisionKind.DENY): "DENY_BUDGET",
    (InterruptKind.QUESTION, DecisionKind.ANSWER): "ANSWER_QUESTION",
    (InterruptKind.UNKNOWN_EFFECT, DecisionKind.COMMITTED): "CONFIRM_EFFECT",
    (InterruptKind.UNKNOWN_EFFECT, DecisionKind.RETRY): "RETRY_EFFECT",
    (InterruptKind.UNKNOWN_EFFECT, DecisionKind.ABANDON): "ABANDON_EFFECT",
}
"""What the audit calls a decision."""

Row: TypeAlias = tuple[str, JsonObject]
"""Type and body."""


def of_word(asked: Interrupt, now: datetime) -> list[Row]:
    """Somebody's word, after it was counted."""
    if asked.status is InterruptStatus.PENDING:
        vote = asked.votes[-1]
        told = {"interrupt_id": asked.id, "by": vote.by, "approvals": len(asked.votes)}
        return [(VOTED, told), _audit("VOTE_ACTION", vote.by, asked, now, vote=encode(vote))]
    (decision,) = asked.decisions
    votes = [encode(vote) for vote in asked.votes]
    action = ACTIONS[asked.kind, decision.kind]
    audit = _audit(action, decision.decided_by, asked, now, decision=encode(decision), votes=votes)
    return [_decided(asked, decision), audit]


def of_expiry(asked: Interrupt, now: datetime) -> list[Row]:
    """The end of its time."""
    if asked.status is InterruptStatus.PENDING:
        return of_reassignment(ESCALATE, SYSTEM.id, asked, now)
    (decision,) = asked.decisions
    return [_decided(asked, decision), _audit("EXPIRE_INTERRUPT", SYSTEM.id, asked, now)]


def of_reassignment(action: str, by: str, asked: Interrupt, now: datetime) -> list[Row]:
    """Others are asked."""
    expires_at = asked.expires_at.isoformat() if asked.expires_at else None
    told = {"interrupt_id": asked.id, "assignees": list(asked.assignees), "expires_at": expires_at}
    return [(REASSIGNED, told), _audit(action, by, asked, now, assignees=list(asked.assignees))]


def of_withdrawal(asked: Interrupt, now: datetime) -> list[Row]:
    """Nobody is asked any more."""
    return [_audit("WITHDRAW_INTERRUPT", SYSTEM.id, asked, now)]


def _decided(asked: Interrupt, decision: Decision) -> Row:
    return DECIDED, {"interrupt_id": asked.id, "status": asked.status.value, "decided_by": decision.decided_by}


def _audit(action: str, actor: str, asked: Interrupt, now: datetime, **more: object) -> Row:
    detail = {
        "run_id": asked.run_id,
        "kind": asked.kind.value,
        "subject_hash": asked.subject_hash,
        "requested_by": asked.requested_by,
        **more,
    }
    return AUDIT, audit_body(action, actor, asked.id, now, detail)

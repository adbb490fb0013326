"""Who may decide an interrupt, and what becomes of it: the rules that every store applies inside its transaction."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from ripieno.domain.errors import (
    AlreadyDecided,
    AlreadyEscalated,
    AlreadyVoted,
    InterruptExpired,
    Invalid,
    NotAssignee,
    OwnRequest,
    Problem,
)
from ripieno.domain.interrupts import (
    ADMIN_ROLE,
    ALLOWED_DECISIONS,
    ROLE,
    STATUS_AFTER,
    Decision,
    DecisionKind,
    Interrupt,
    InterruptKind,
    InterruptStatus,
    OnExpiry,
    Vote,
)
from ripieno.domain.principals import ANYBODY, SYSTEM

NOBODY = Decision(DecisionKind.DENY, SYSTEM.id, reason="nobody decided in time")


def decided(asked: Interrupt, decision: Decision, roles: Sequence[str], now: datetime) -> Interrupt:
    """The interrupt after a person's word: closed or, where more people must approve, with one more vote.

    Raises:
        Invalid: The decision does not fit the interrupt.
        AlreadyDecided, InterruptExpired: Too late.
        NotAssignee, OwnRequest, AlreadyVoted: It is not for this person to say.
    """
    _must_fit(asked, decision)
    _must_be_open(asked, now)
    _must_be_assigned(asked, decision.decided_by, roles)
    _must_be_free(asked, decision)
    vote = Vote(decision.decided_by, decision.kind, decision.reason, now)
    voted = replace(asked, votes=(*asked.votes, vote))
    if decision.kind is DecisionKind.APPROVE and len(voted.votes) < asked.terms.required:
        return voted
    return _closed(voted, decision, STATUS_AFTER[decision.kind], now)


def overdue(asked: Interrupt, now: datetime) -> bool:
    """Whether the time to decide is over, though nobody may have acted on that yet."""
    return asked.status is InterruptStatus.PENDING and asked.expires_at is not None and asked.expires_at <= now


def expired(asked: Interrupt, now: datetime) -> Interrupt:
    """An overdue interrupt after its time: put to others, or closed by the system."""
    if asked.terms.on_expiry is OnExpiry.ESCALATE and asked.escalated_at is None:
        return _raised(asked, now)
    return _closed(asked, NOBODY, InterruptStatus.EXPIRED, now)


def delegated(asked: Interrupt, by: str, roles: Sequence[str], to: Sequence[str], now: datetime) -> Interrupt:
    """The interrupt with others in the place of the one who delegates, or in place of all where that is an admin.

    Raises:
        AlreadyDecided, InterruptExpired: Too late.
        NotAssignee: It was not theirs to hand on.
        Invalid: It would come to whoever may not decide it.
    """
    _must_be_open(asked, now)
    _must_be_assigned(asked, by, roles)
    if asked.terms.exclude_requester and asked.requested_by in to:
        detail = f"{asked.requested_by} started the run, so somebody else must decide"
        raise Invalid(detail, [Problem("/to", detail)])
    others = [name for name in asked.assignees if name != by] if by in asked.assignees else []
    return replace(asked, assignees=tuple(dict.fromkeys([*others, *to])))


def escalated(asked: Interrupt, by: str, roles: Sequence[str], now: datetime) -> Interrupt:
    """The interrupt put to those above, with new time.

    Raises:
        AlreadyDecided, InterruptExpired: Too late.
        NotAssignee: It was not theirs to hand on.
        AlreadyEscalated: It has been before.
    """
    _must_be_open(asked, now)
    _must_be_assigned(asked, by, roles)
    if asked.escalated_at is not None:
        raise AlreadyEscalated(f"{asked.id} was put to {_words(asked.assignees)} already; nobody is above them")
    return _raised(asked, now)


def withdrawn(asked: Interrupt) -> Interrupt:
    """An interrupt whose run does not ask it any more; what was decided stays decided."""
    return replace(asked, status=InterruptStatus.VOID) if asked.status is InterruptStatus.PENDING else asked


def _closed(asked: Interrupt, decision: Decision, status: InterruptStatus, now: datetime) -> Interrupt:
    return replace(asked, status=status, decisions=(replace(decision, decided_at=now),))


def _raised(asked: Interrupt, now: datetime) -> Interrupt:
    ends = now + timedelta(seconds=asked.terms.seconds)
    return replace(asked, assignees=asked.terms.escalate_to, expires_at=ends, escalated_at=now)


# -- what must hold ----------------------------------------------------------------------------------------------------


def _must_fit(asked: Interrupt, decision: Decision) -> None:
    allowed = ALLOWED_DECISIONS[asked.kind]
    if decision.kind not in allowed:
        words = ", ".join(sorted(allowed))
        _refuse("/decision", f"an interrupt of kind {asked.kind} takes {words}, not {decision.kind}")
    if decision.amount is not None and (asked.kind, decision.kind) != (InterruptKind.BUDGET, DecisionKind.APPROVE):
        _refuse("/amount", "only the approval of a budget takes an amount")
    if decision.arguments is not None and (asked.kind, decision.kind) != (InterruptKind.APPROVAL, DecisionKind.APPROVE):
        _refuse("/arguments", "only the approval of a call takes arguments")
    if decision.arguments is not None and asked.terms.required > 1:
        detail = f"{asked.terms.required} people must approve the same call; deny it and say what must be different"
        _refuse("/arguments", detail)


def _refuse(pointer: str, detail: str) -> None:
    raise Invalid(detail, [Problem(pointer, detail)])


def _must_be_open(asked: Interrupt, now: datetime) -> None:
    if asked.status is InterruptStatus.EXPIRED or overdue(asked, now):
        raise InterruptExpired(f"{asked.id} expired; nobody decided in time")
    if asked.status is not InterruptStatus.PENDING:
        last = asked.decisions[-1] if asked.decisions else None
        by, at = (last.decided_by, last.decided_at) if last else (None, None)
        raise AlreadyDecided(asked.id, asked.status, by, at)


def _must_be_assigned(asked: Interrupt, by: str, roles: Sequence[str]) -> None:
    names = {by, *(f"{ROLE}{role}" for role in roles)}
    if asked.assignees and ADMIN_ROLE not in roles and names.isdisjoint(asked.assignees):
        raise NotAssignee(f"{asked.id} was put to {_words(asked.assignees)}, not to {by}")


def _must_be_free(asked: Interrupt, decision: Decision) -> None:
    by, approves = decision.decided_by, decision.kind is DecisionKind.APPROVE
    if approves and asked.terms.exclude_requester and by == asked.requested_by:
        why = "; whoever calls without a key is local, so give people keys of their own" if by == ANYBODY else ""
        raise OwnRequest(f"{by} started this run, so somebody else must approve what it asks{why}")
    if any(vote.by == by for vote in asked.votes):
        missing = asked.terms.required - len(asked.votes)
        raise AlreadyVoted(f"{by} has approved {asked.id} already; it needs {missing} more, from other people")


def _words(names: Sequence[str]) -> str:
    return ", ".join(names)

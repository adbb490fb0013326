"""Interrupts: a run's question to a person, and the answer."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from ripieno.domain.jsons import Json, JsonObject


class InterruptKind(StrEnum):
    """What is asked: may I, what shall I, may I spend more, did this happen."""

    APPROVAL = "approval"
    QUESTION = "question"
    BUDGET = "budget"
    UNKNOWN_EFFECT = "unknown_effect"


class InterruptStatus(StrEnum):
    """`VOID` means that the run ended before anybody answered."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    ANSWERED = "answered"
    EXPIRED = "expired"
    VOID = "void"


class DecisionKind(StrEnum):
    """`approve`, `deny` for approvals and budgets; `answer` for questions; the last three for unknown effects."""

    APPROVE = "approve"
    DENY = "deny"
    ANSWER = "answer"
    COMMITTED = "committed"
    RETRY = "retry"
    ABANDON = "abandon"


ALLOWED_DECISIONS: dict[InterruptKind, frozenset[DecisionKind]] = {
    InterruptKind.APPROVAL: frozenset({DecisionKind.APPROVE, DecisionKind.DENY}),
    InterruptKind.BUDGET: frozenset({DecisionKind.APPROVE, DecisionKind.DENY}),
    InterruptKind.QUESTION: frozenset({DecisionKind.ANSWER}),
    InterruptKind.UNKNOWN_EFFECT: frozenset({DecisionKind.COMMITTED, DecisionKind.RETRY, DecisionKind.ABANDON}),
}

STATUS_AFTER: dict[DecisionKind, InterruptStatus] = {
    DecisionKind.APPROVE: InterruptStatus.APPROVED,
    DecisionKind.DENY: InterruptStatus.DENIED,
    DecisionKind.ANSWER: InterruptStatus.ANSWERED,
    DecisionKind.COMMITTED: InterruptStatus.ANSWERED,
    DecisionKind.RETRY: InterruptStatus.ANSWERED,
    DecisionKind.ABANDON: InterruptStatus.ANSWERED,
}


@dataclass(frozen=True, slots=True)
class Decision:
    """A person's answer. `arguments` are edited arguments of an approved call; `answer` is free JSON."""

    kind: DecisionKind
    decided_by: str
    reason: str | None = None
    arguments: JsonObject | None = None
    answer: Json = None
    decided_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewInterrupt:
    """An interrupt as a run opens it.

    `key` is the command that waits. `subject_hash` binds the decision to what was shown (tool, arguments, agent
    version). `request` is what the person sees: `{tool, arguments, description}` for an approval.
    """

    id: str
    key: str
    kind: InterruptKind
    subject_hash: str
    request: JsonObject
    risk: str = "low"
    reasons: tuple[str, ...] = ()
    requested_by: str = ""
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Interrupt:
    """An interrupt as it stands."""

    id: str
    tenant: str
    run_id: str
    key: str
    kind: InterruptKind
    status: InterruptStatus
    subject_hash: str
    request: JsonObject
    risk: str
    reasons: tuple[str, ...]
    requested_by: str
    created_at: datetime
    expires_at: datetime | None = None
    decisions: tuple[Decision, ...] = field(default=())

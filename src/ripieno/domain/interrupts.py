"""Interrupts: a run's question to a person, and the answer."""

from dataclasses import dataclass
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


class OnExpiry(StrEnum):
    """What becomes of a question that nobody answers in time: a no, others are asked, or the run is cancelled."""

    DENY = "deny"
    ESCALATE = "escalate"
    CANCEL = "cancel"


ADMIN_ROLE = "admin"
ROLE = "role:"
"""Before the name of a role, in a list of assignees: whoever has it."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How an interrupt may be decided.

    `required` is how many people must approve. With `exclude_requester` the one whose run asks is not among them.
    `assignees` are the principals and roles (`role:finance`) that may decide, empty means everybody; admins always may.
    People have `seconds`; after that happens what `on_expiry` says, and `escalate_to` are who is asked then.
    """

    required: int = 1
    exclude_requester: bool = False
    assignees: tuple[str, ...] = ()
    seconds: float = 3 * 86400.0
    on_expiry: OnExpiry = OnExpiry.DENY
    escalate_to: tuple[str, ...] = (ROLE + ADMIN_ROLE,)


EVERYBODY = Terms()


@dataclass(frozen=True, slots=True)
class Decision:
    """A person's answer.

    `arguments` are edited arguments of an approved call; `answer` is free JSON; `amount` is how much more an approved
    budget gets, in its own unit.
    """

    kind: DecisionKind
    decided_by: str
    reason: str | None = None
    arguments: JsonObject | None = None
    answer: Json = None
    decided_at: datetime | None = None
    amount: float | None = None


@dataclass(frozen=True, slots=True)
class Vote:
    """One principal's word on an interrupt. It becomes the decision when enough of them agree."""

    by: str
    kind: DecisionKind
    reason: str | None
    at: datetime


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
    terms: Terms = EVERYBODY


@dataclass(frozen=True, slots=True)
class Interrupt:
    """An interrupt as it stands.

    `terms` are as they were when it was opened, `assignees` and `expires_at` as they are now.
    """

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
    decisions: tuple[Decision, ...] = ()
    terms: Terms = EVERYBODY
    assignees: tuple[str, ...] = ()
    escalated_at: datetime | None = None
    votes: tuple[Vote, ...] = ()

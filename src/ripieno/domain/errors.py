"""What can go wrong, by who must act.

    RipienoError
    ├── Rejected             the caller must change the request
    │   ├── NotFound
    │   ├── Invalid
    │   ├── TooLarge
    │   └── Conflict
    │       ├── RunEnded · NotHeld · IntentRefused · SessionBusy · MailboxFull
    │       ├── DeadLetterSettled · ReplayRefused
    │       ├── RunActive · WorksForAnother · NothingToRetry · NothingToUndo
    │       ├── EffectsInTheWay: EffectsUnknown · EffectsDone · EffectsUndone · CannotBeUndone
    │       ├── AlreadyDecided · AlreadyVoted · AlreadyEscalated
    │       ├── InterruptExpired · WhichInterrupt
    │       ├── NameTaken · ManagedByFile · Stale · AlreadyReceived
    │       └── IdempotencyConflict · IdempotencyInFlight
    ├── Denied               policy or a person said no
    │   ├── Unauthenticated
    │   └── Forbidden
    │       └── OwnRequest · NotAssignee
    ├── Unavailable          something remote; may be tried again
    │   ├── ModelUnavailable
    │   ├── RateLimited
    │   ├── ToolUnavailable · CallUnfinished
    │   ├── SecretsLocked
    │   ├── Halted
    │   ├── AdmissionClosed
    │   └── StoreBusy
    └── Defect               ours, or a remote that breaks its own contract
        ├── ModelRefused: ContextExceeded
        │   └── NoRoute · UnsupportedInput
        ├── SecretUnreadable
        ├── JournalMismatch
        └── LegLost

Each class carries a stable `code`. The HTTP status of a code is the server's business.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a document: where (RFC 6901 pointer) and what."""

    pointer: str
    detail: str


class RipienoError(Exception):
    """Base of everything that Ripieno raises on purpose. `str(error)` may be shown to the caller."""

    code: ClassVar[str] = "error"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Rejected(RipienoError):
    """The request cannot be carried out as it stands."""

    code = "rejected"


class NotFound(Rejected):
    """There is no such thing, or it belongs to another tenant."""

    code = "not_found"

    def __init__(self, kind: str, name: str, near: Sequence[str] = ()) -> None:
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        super().__init__(f"no {kind} {name!r}{hint}")
        self.kind = kind
        self.name = name
        self.near = tuple(near)


class Invalid(Rejected):
    """A document breaks its schema; `problems` says where."""

    code = "invalid"

    def __init__(self, detail: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(detail)
        self.problems = tuple(problems)


class TooLarge(Rejected):
    """It has more bytes than are taken."""

    code = "too_large"


class Conflict(Rejected):
    """The state of the thing does not allow it."""

    code = "conflict"


class RunEnded(Conflict):
    """The run has ended; nothing can be sent to it or decided for it any more."""

    code = "run_ended"

    def __init__(self, run_id: str, status: str) -> None:
        super().__init__(f"run {run_id} has ended ({status})")
        self.run_id = run_id
        self.status = status


class MailboxFull(Conflict):
    """Nobody takes what lies in this box; nothing can be sent to it before somebody does."""

    code = "mailbox_full"

    def __init__(self, box: str, most: int) -> None:
        super().__init__(f"{most:,} messages lie in the box of {box} already; somebody must take them first")
        self.box = box


class NotHeld(Conflict):
    """Resume was asked for a run that nobody paused."""

    code = "not_paused"


class SessionBusy(Conflict):
    """Another run of the session has not ended, and the new one was not to wait for it."""

    code = "session_busy"

    def __init__(self, session_id: str, run_id: str) -> None:
        super().__init__(f"run {run_id} of session {session_id} has not ended")
        self.session_id = session_id
        self.run_id = run_id


class IntentRefused(Conflict):
    """The run is being cancelled or is held, so no new effect may begin."""

    code = "intent_refused"


class RunActive(Conflict):
    """The run, or one below it or a rollback of it, has not ended; `active` lists which."""

    code = "run_active"

    def __init__(self, run_id: str, active_ids: Sequence[str]) -> None:
        super().__init__(f"not while {', '.join(active_ids)} has not ended; cancel it first, or wait")
        self.run_id = run_id
        self.active_ids = tuple(active_ids)


class WorksForAnother(Conflict):
    """The run was started by another run, which has its outcome already."""

    code = "works_for_another"


class NothingToRetry(Conflict):
    """The run did not fail, and no point was named from which to go on."""

    code = "nothing_to_retry"


class NothingToUndo(Conflict):
    """The run changed nothing that is not undone already."""

    code = "nothing_to_undo"


class EffectsInTheWay(Conflict):
    """What stands in the way are effects; each is described by its run, key, tool, state and reason."""

    code = "conflict"

    def __init__(self, detail: str, effects: Sequence[Mapping[str, object]]) -> None:
        super().__init__(detail)
        self.effects = tuple(dict(effect) for effect in effects)


class EffectsUnknown(EffectsInTheWay):
    """Nobody knows whether these effects happened, and somebody must say so first."""

    code = "effects_unknown"


class EffectsDone(EffectsInTheWay):
    """These effects have happened, and to go on from here may do them again."""

    code = "effects_done"


class EffectsUndone(EffectsInTheWay):
    """A rollback has undone these effects, and to go on from here would build on them."""

    code = "effects_undone"


class CannotBeUndone(EffectsInTheWay):
    """These effects have happened, and nothing is declared that undoes them."""

    code = "cannot_be_undone"


class AlreadyDecided(Conflict):
    """Somebody was first, or nobody is needed any more; `decided_by` and `decided_at` tell who and when."""

    code = "already_decided"

    def __init__(
        self, interrupt_id: str, status: str, decided_by: str | None = None, decided_at: datetime | None = None
    ) -> None:
        by = f" by {decided_by}" if decided_by else ""
        at = f" at {decided_at:%Y-%m-%d %H:%M:%S} UTC" if decided_at else ""
        super().__init__(f"{interrupt_id} was already {status}{by}{at}")
        self.interrupt_id = interrupt_id
        self.status = status
        self.decided_by = decided_by
        self.decided_at = decided_at


class AlreadyVoted(Conflict):
    """This principal has approved before; others are needed."""

    code = "already_voted"


class AlreadyEscalated(Conflict):
    """Others have been asked already; there is nobody above them."""

    code = "already_escalated"


class InterruptExpired(Conflict):
    """The time to decide has passed."""

    code = "interrupt_expired"


class WhichInterrupt(Conflict):
    """What was meant is not clear: the run asks nothing of this kind now, or several things; `open` lists them."""

    code = "which_interrupt"

    def __init__(self, run_id: str, open_ids: Sequence[str], kind: str = "interrupt") -> None:
        several = f"asks several things ({', '.join(open_ids)}); name one"
        super().__init__(f"run {run_id} {several if open_ids else f'has no open {kind} now'}")
        self.run_id = run_id
        self.open_ids = tuple(open_ids)


class DeadLetterSettled(Conflict):
    """Somebody has dealt with the dead letter already, in another way."""

    code = "dead_letter_settled"

    def __init__(self, letter_id: str, state: str) -> None:
        super().__init__(f"{letter_id} was {state} already")


class ReplayRefused(Conflict):
    """The dead letter cannot be replayed; the sentence says why, and what can be done instead."""

    code = "replay_refused"


class NameTaken(Conflict):
    """Something else has this name."""

    code = "name_taken"

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"there is a {kind} {name!r} already")


class ManagedByFile(Conflict):
    """A file defines it, so it is changed there."""

    code = "managed_by_file"

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"the {kind} {name!r} is defined by a file; change it there")


class Stale(Conflict):
    """Somebody changed the thing since it was read."""

    code = "stale"


class AlreadyReceived(Conflict):
    """Somebody has received the message."""

    code = "already_received"

    def __init__(self, mail_id: str, by: str) -> None:
        super().__init__(f"the message {mail_id} was received by {by}")


class IdempotencyConflict(Conflict):
    """The idempotency key was used before with another body."""

    code = "idempotency_conflict"


class IdempotencyInFlight(Conflict):
    """The first request under this idempotency key has not ended yet."""

    code = "idempotency_in_flight"


class Denied(RipienoError):
    """Not allowed."""

    code = "denied"


class Unauthenticated(Denied):
    """No valid credential came with the request."""

    code = "unauthenticated"


class Forbidden(Denied):
    """The credential is good, but not for this."""

    code = "forbidden"


class OwnRequest(Forbidden):
    """Whoever started a run may not approve what it asks, because that must be somebody else."""

    code = "own_request"


class NotAssignee(Forbidden):
    """The question was put to others."""

    code = "not_assignee"


class Unavailable(RipienoError):
    """A remote does not answer now. `retry_after` is in seconds, where the remote named one."""

    code = "unavailable"

    def __init__(self, detail: str, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class ModelUnavailable(Unavailable):
    """A model provider failed in a way that may pass: 408, 409, 429, 5xx, a cut connection, a time-out."""

    code = "model_unavailable"


class RateLimited(Unavailable):
    """A limit that is set here leaves no room in the time that there is; nothing was asked of the remote."""

    code = "rate_limited"


class ToolUnavailable(Unavailable):
    """A tool's server or program is not there."""

    code = "tool_unavailable"


class Halted(Unavailable):
    """An operator has stopped it."""

    code = "halted"


class SecretsLocked(Unavailable):
    """The master keys cannot be had, so no secret can be sealed or opened."""

    code = "secrets_locked"


class CallUnfinished(Unavailable):
    """A direct tool call has not ended, or nobody knows how it did; its run tells."""

    code = "call_unfinished"


class StoreBusy(Unavailable):
    """The database cannot be used now: held by another process, or away."""

    code = "store_busy"


class AdmissionClosed(Unavailable):
    """Too many runs are queued already; no new one is taken before some have left the queue."""

    code = "admission_closed"


class Defect(RipienoError):
    """Something broke a promise."""

    code = "defect"


class ModelRefused(Defect):
    """A model provider refused the request for good: bad credentials, unknown model, bad request, nonsense answer."""

    code = "model_error"


class ContextExceeded(ModelRefused):
    """The conversation is longer than the model takes. Made shorter it may be sent again."""

    code = "context_exceeded"


class UnsupportedInput(ModelRefused):
    """The model, or its provider, does not take a file of this kind."""

    code = "unsupported_input"


class NoRoute(ModelRefused):
    """No rule has a model for the request, and there is no default; nothing was asked of any provider."""

    code = "no_route"


class SecretUnreadable(Defect):
    """A secret is there and cannot be opened."""

    code = "secret_unreadable"

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"the secret {name!r} cannot be opened: {why}")
        self.name = name


class JournalMismatch(Defect):
    """A run's logic asks for something other than what its journal holds under the same key."""

    code = "journal_mismatch"


class LegLost(Defect):
    """This worker no longer owns the run: another epoch has begun. Stop and touch nothing."""

    code = "leg_lost"

"""Late outcomes: how an attempt ended, told by a leg that has lost its run meanwhile; once for both databases."""

from ripieno.domain.batches import LateOutcome
from ripieno.domain.effects import LATE, OPEN, EffectState
from ripieno.domain.outbox import IGNORE_OUTCOME
from ripieno.domain.past import EffectName
from ripieno.domain.principals import SYSTEM
from ripieno.domain.runs import TERMINAL
from ripieno.store.dead_letters import discard_effect
from ripieno.store.portable.audit import audit
from ripieno.store.portable.frame import Frame, Send, Work

LOCKED = "SELECT status FROM runs WHERE id = :run_id AND tenant = :tenant FOR NO KEY UPDATE"

KNOWN = "SELECT state FROM effects WHERE run_id = :run_id AND key = :key AND attempt = :attempt::int"

CLOSE = """
UPDATE effects SET state = :state, closed_at = :now
WHERE run_id = :run_id AND key = :key AND attempt = :attempt::int
"""


def settle(frame: Frame, outcome: LateOutcome) -> Work[bool]:
    """Close the effect and tell its run; False where it is closed, or gone with its run."""
    tenant, run_id, close = outcome.tenant, outcome.run_id, outcome.close
    run = yield from frame.one(LOCKED, run_id=run_id, tenant=tenant)
    known = yield from frame.one(KNOWN, run_id=run_id, key=close.key, attempt=close.attempt)
    if run is None or known is None:
        return False
    if known["state"] not in OPEN:
        yield from _ignore(frame, outcome, known["state"])
        return False
    yield from frame.all(CLOSE, state=close.state, now=frame.now, run_id=run_id, key=close.key, attempt=close.attempt)
    if run["status"] not in TERMINAL:
        yield from frame.send(Send(tenant, run_id, LATE, told(outcome), f"late/{close.key}/{close.attempt}"))
    elif close.state is EffectState.DONE:  # whoever replayed its dead letter would do it twice
        yield from discard_effect(frame, tenant, EffectName(run_id, close.key, close.attempt), SYSTEM.id)
    return True


def told(outcome: LateOutcome) -> dict[str, object]:
    """The body of the message to the run."""
    close = outcome.close
    return {"key": close.key, "attempt": close.attempt, "state": close.state.value, "result": outcome.result}


def _ignore(frame: Frame, outcome: LateOutcome, state: str) -> Work[None]:
    """Somebody else has settled it. Where that was to another end, people may want to know."""
    if state != outcome.close.state:
        who = (outcome.tenant, SYSTEM.id)
        yield from audit(frame, who, IGNORE_OUTCOME, outcome.run_id, ignored(outcome, state))


def ignored(outcome: LateOutcome, state: str) -> dict[str, object]:
    """What the audit says of an outcome that does not count."""
    close = outcome.close
    return {"key": close.key, "attempt": close.attempt, "settled_as": state, "came_late": close.state.value}

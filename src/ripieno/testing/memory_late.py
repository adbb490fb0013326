"""Late outcomes in `MemoryJournal`."""

from dataclasses import replace

from ripieno.domain.batches import LateOutcome
from ripieno.domain.effects import LATE, OPEN, EffectState
from ripieno.domain.outbox import IGNORE_OUTCOME
from ripieno.domain.past import EffectName
from ripieno.domain.principals import SYSTEM
from ripieno.domain.runs import TERMINAL
from ripieno.store.late import ignored, told
from ripieno.testing.memory_dead_letters import discard_effect
from ripieno.testing.memory_state import Draft


def settle(draft: Draft, outcome: LateOutcome) -> bool:
    """As `store.late.settle`."""
    close, state = outcome.close, draft.runs.get(outcome.run_id)
    if state is None or state.run.tenant != outcome.tenant:
        return False
    effect = next((one for one in state.effects if (one.key, one.attempt) == (close.key, close.attempt)), None)
    if effect is None:
        return False
    if effect.state not in OPEN:
        if effect.state is not close.state:
            who = (outcome.tenant, SYSTEM.id)
            draft.audit(who, IGNORE_OUTCOME, outcome.run_id, ignored(outcome, effect.state))
        return False
    closed = replace(effect, state=close.state, closed_at=draft.now)
    state = draft.put(replace(state, effects=tuple(closed if one is effect else one for one in state.effects)))
    if state.run.status not in TERMINAL:
        draft.deliver(state, LATE, told(outcome), f"late/{close.key}/{close.attempt}")
    elif close.state is EffectState.DONE:
        discard_effect(draft, outcome.tenant, EffectName(outcome.run_id, close.key, close.attempt), SYSTEM.id)
    return True

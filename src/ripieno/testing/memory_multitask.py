"""How `MemoryJournal` starts a run in a session in which others may not have ended."""

from dataclasses import replace

from ripieno.domain.errors import SessionBusy
from ripieno.domain.runs import TERMINAL, Multitask, NewRun
from ripieno.store.portable.multitask import STOPS, reason
from ripieno.testing.memory_state import Draft, RunState


def join(draft: Draft, new: NewRun) -> tuple[bool, list[str]]:
    """Insert the run behind the others; answers the ids of those that are to be cancelled for it, oldest first."""
    if new.id in draft.runs:
        return False, []
    live = _live(draft, new)
    if live and new.multitask is Multitask.REJECT:
        raise SessionBusy(new.session_id, live[0].run.id)
    stopped = sorted(state.run.id for state in live) if new.multitask in STOPS else []
    for run_id in stopped:
        draft.put(replace(draft.runs[run_id], superseded=new.multitask))
        draft.stop(draft.runs[run_id], new.created_by, reason(new))
    last = next((state for state in reversed(_live(draft, new)) if state.next_id is None), None)
    draft.start(new)
    if last is not None:
        draft.change(draft.runs[new.id], after_id=last.run.id)
        draft.change(replace(last, next_id=new.id))
    return True, stopped


def _live(draft: Draft, new: NewRun) -> list[RunState]:
    """The runs of the session that have not ended, oldest first."""
    found = (
        state
        for state in draft.runs.values()
        if (state.run.tenant, state.run.session_id, state.run.parent_id) == (new.tenant, new.session_id, None)
        and state.run.status not in TERMINAL
    )
    return sorted(found, key=lambda state: (state.run.created_at, state.run.id))

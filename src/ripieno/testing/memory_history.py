"""What may be done with a run's past, in memory."""

from collections.abc import Sequence
from dataclasses import replace

from ripieno.domain.dead_letters import TAKEN_UP, DeadLetterKind
from ripieno.domain.entries import Entry
from ripieno.domain.errors import Conflict, RunActive
from ripieno.domain.hints import HintKind
from ripieno.domain.outbox import RETRY_RUN, ROLLBACK_RUN
from ripieno.domain.past import Founding, Reopening, Settled
from ripieno.domain.runs import TERMINAL, Run, RunKind, RunStatus
from ripieno.ports import Clock, Dispatch
from ripieno.testing.memory_dead_letters import discard_effect, take_up
from ripieno.testing.memory_state import Draft, Memory, RunState


class MemoryHistory:
    """`ports.History` over the journal's memory. Nothing here awaits within a transaction."""

    def __init__(self, memory: Memory, clock: Clock, dispatch: Dispatch) -> None:
        self._memory = memory
        self._clock = clock
        self._dispatch = dispatch

    async def reopen(self, wish: Reopening) -> Run:
        draft = Draft(self._memory, self._clock.now())
        if any(entry.key == wish.entry.key and entry.body == wish.entry.body for entry in _entries(draft, wish)):
            return draft.runs[wish.run_id].run
        state = _ended(draft, wish.tenant, wish.run_id)
        if state.run.last_seq != wish.last_seq:
            raise Conflict(f"run {wish.run_id} has changed meanwhile; look at it and ask again")
        epoch = state.run.epoch + 1
        state, _ = draft.write(state, [wish.entry], epoch)
        state = draft.change(
            replace(state, asked_by="", asked_why="", owner=""),
            status=RunStatus.QUEUED,
            exit_reason=None,
            result=None,
            ended_at=None,
            deadline=wish.deadline,
            epoch=epoch,
            generation=state.run.generation + 1,
            hold=False,
            cancel_at=None,
            waits=(),
            wake_at=None,
        )
        outcome = {"run_id": wish.run_id, "generation": state.run.generation}
        take_up(draft, wish.run_id, TAKEN_UP, wish.by, outcome)
        _say(draft, wish.tenant, wish.settled, wish.by)
        draft.tell(wish.tenant, "run.retried", wish.run_id, {"key": wish.entry.key})
        draft.audit((wish.tenant, wish.by), RETRY_RUN, wish.run_id, {"from": wish.entry.key})
        draft.hint(wish.run_id, HintKind.WORK, HintKind.STATUS, HintKind.PROGRESS)
        self._commit(draft)
        return draft.runs[wish.run_id].run

    async def found(self, wish: Founding) -> bool:
        draft = Draft(self._memory, self._clock.now())
        if wish.about is not None:
            _ended(draft, wish.run.tenant, wish.about, wish.run.id)
        if not draft.start(wish.run):
            return False
        state, _ = draft.write(draft.runs[wish.run.id], wish.entries, 0)
        kept = tuple(
            replace(effect, run_id=wish.run.id, intended_at=effect.intended_at or draft.now) for effect in wish.effects
        )
        draft.put(replace(state, effects=kept))
        if wish.about is not None:
            draft.audit((wish.run.tenant, wish.run.created_by), ROLLBACK_RUN, wish.about, {"by_run": wish.run.id})
        take_up(draft, wish.instead_of, {DeadLetterKind.RUN}, wish.run.created_by, {"run_id": wish.run.id})
        _say(draft, wish.run.tenant, wish.settled, wish.run.created_by)
        self._commit(draft)
        return True

    async def settle(self, tenant: str, settled: Sequence[Settled]) -> None:
        draft = Draft(self._memory, self._clock.now())
        _settle(draft, tenant, settled)
        self._commit(draft)

    def _commit(self, draft: Draft) -> None:
        draft.commit()
        self._dispatch.publish(draft.hints)


def _entries(draft: Draft, wish: Reopening) -> Sequence[Entry]:
    return draft.of_tenant(wish.tenant, wish.run_id).entries


def _ended(draft: Draft, tenant: str, run_id: str, founding: str = "") -> RunState:
    state = draft.of_tenant(tenant, run_id)
    if state.run.status not in TERMINAL:
        raise RunActive(run_id, [run_id])
    undoing = [each.run.id for each in draft.runs.values() if _undoes(each.run, run_id) and each.run.id != founding]
    if undoing:
        raise RunActive(run_id, sorted(undoing))
    return state


def _undoes(run: Run, run_id: str) -> bool:
    return run.kind is RunKind.ROLLBACK and run.target == run_id and run.status not in TERMINAL


def _say(draft: Draft, tenant: str, settled: Sequence[Settled], by: str) -> None:
    for word in settled:
        discard_effect(draft, tenant, word.effect, by)
    _settle(draft, tenant, settled)


def _settle(draft: Draft, tenant: str, settled: Sequence[Settled]) -> None:
    for word in settled:
        state = draft.runs.get(word.effect.run_id)
        if state is None or state.run.tenant != tenant:
            continue
        named = (word.effect.key, word.effect.attempt)
        effects = tuple(
            replace(effect, state=word.state, closed_at=draft.now)
            if (effect.key, effect.attempt) == named and effect.state is not word.state
            else effect
            for effect in state.effects
        )
        draft.put(replace(state, effects=effects))

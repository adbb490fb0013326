"""Dealing with what `MemoryJournal` buried."""

from collections.abc import Sequence
from dataclasses import replace

from ripieno.domain.dead_letters import DeadLetter, DeadLetterFilter, DeadLetterState, Replay
from ripieno.domain.effects import EffectState
from ripieno.domain.errors import DeadLetterSettled, NotFound
from ripieno.domain.jsons import JsonObject
from ripieno.domain.outbox import AUDIT, audit_body
from ripieno.ports import Clock, Dispatch
from ripieno.testing.memory_state import Draft, Memory

UNSETTLED = frozenset({EffectState.UNKNOWN, EffectState.FAILED})


class MemoryDeadLetters:
    """`ports.DeadLetters` over the journal's memory."""

    def __init__(self, memory: Memory, clock: Clock, dispatch: Dispatch) -> None:
        self._memory = memory
        self._clock = clock
        self._dispatch = dispatch

    async def page(
        self, tenant: str, which: DeadLetterFilter, limit: int, before: str | None = None
    ) -> Sequence[DeadLetter]:
        found = [
            letter
            for letter in self._memory.dead.values()
            if letter.tenant == tenant
            and which.kind in {None, letter.kind}
            and which.state in {None, letter.state}
            and which.run_id in {None, letter.run_id}
        ]
        if before is not None:
            last = self._memory.dead.get(before)
            found = [letter for letter in found if last is not None and _age(letter) < _age(last)]
        return sorted(found, key=_age, reverse=True)[:limit]

    async def get(self, tenant: str, letter_id: str) -> DeadLetter:
        return _one(Draft(self._memory, self._clock.now()), tenant, letter_id)

    async def replay(self, tenant: str, letter_id: str, order: Replay) -> DeadLetter:
        draft = Draft(self._memory, self._clock.now())
        letter = _one(draft, tenant, letter_id)
        if letter.state is DeadLetterState.REPLAYED:
            return letter
        if letter.state is DeadLetterState.DISCARDED:
            raise DeadLetterSettled(letter_id, letter.state)
        outcome = _do(draft, letter, order)
        draft.tell(tenant, AUDIT, "", audit_body("REPLAY_DEAD_LETTER", order.by, letter_id, draft.now, outcome))
        return self._settle(draft, letter, DeadLetterState.REPLAYED, order.by, outcome)

    async def discard(self, tenant: str, letter_id: str, by: str) -> DeadLetter:
        draft = Draft(self._memory, self._clock.now())
        letter = _one(draft, tenant, letter_id)
        if letter.state is DeadLetterState.DISCARDED:
            return letter
        if letter.state is DeadLetterState.REPLAYED:
            raise DeadLetterSettled(letter_id, letter.state)
        detail = {"kind": letter.kind.value, "run_id": letter.run_id, "cause": letter.cause}
        draft.tell(tenant, AUDIT, "", audit_body("DISCARD_DEAD_LETTER", by, letter_id, draft.now, detail))
        return self._settle(draft, letter, DeadLetterState.DISCARDED, by, None)

    def _settle(
        self, draft: Draft, letter: DeadLetter, state: DeadLetterState, by: str, outcome: JsonObject | None
    ) -> DeadLetter:
        settled = replace(letter, state=state, settled_at=draft.now, settled_by=by, outcome=outcome)
        draft.dead[letter.id] = settled
        draft.commit()
        self._dispatch.publish(draft.hints)
        return settled


def _one(draft: Draft, tenant: str, letter_id: str) -> DeadLetter:
    letter = draft.dead.get(letter_id)
    if letter is None or letter.tenant != tenant:
        raise NotFound("dead letter", letter_id)
    return letter


def _do(draft: Draft, letter: DeadLetter, order: Replay) -> JsonObject:
    if order.run is not None:
        draft.start(order.run)
        return {"run_id": order.run.id}
    if order.message is not None:
        message = order.message
        state = draft.alive(letter.tenant, message.run_id)
        return {"run_id": message.run_id, "n": draft.deliver(state, message.topic, message.body, letter.id)}
    state = draft.runs[letter.run_id]
    effects = tuple(
        replace(effect, state=EffectState.DONE, closed_at=draft.now)
        if f"{effect.key}/{effect.attempt}" == letter.subject and effect.state in UNSETTLED
        else effect
        for effect in state.effects
    )
    draft.put(replace(state, effects=effects))
    return {"result": order.result}


def _age(letter: DeadLetter) -> tuple[object, str]:
    return letter.created_at, letter.id

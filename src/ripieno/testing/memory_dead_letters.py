"""Dealing with what `MemoryJournal` buried."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from ripieno.domain.dead_letters import DeadLetter, DeadLetterFilter, DeadLetterKind, DeadLetterState, Replay
from ripieno.domain.effects import EffectState
from ripieno.domain.errors import DeadLetterSettled, NotFound
from ripieno.domain.jsons import JsonObject
from ripieno.domain.outbox import AUDIT, audit_body
from ripieno.domain.past import EffectName
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
        return self._committed(draft, _put(draft, letter, DeadLetterState.REPLAYED, order.by, outcome))

    async def discard(self, tenant: str, letter_id: str, by: str) -> DeadLetter:
        draft = Draft(self._memory, self._clock.now())
        letter = _one(draft, tenant, letter_id)
        if letter.state is DeadLetterState.DISCARDED:
            return letter
        if letter.state is DeadLetterState.REPLAYED:
            raise DeadLetterSettled(letter_id, letter.state)
        return self._committed(draft, _put_aside(draft, letter, by))

    def _committed(self, draft: Draft, settled: DeadLetter) -> DeadLetter:
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
    return {"result": order.result, "run_id": order.through}


def take_up(draft: Draft, run_id: str | None, kinds: Collection[str], by: str, outcome: JsonObject) -> None:
    """Settle the open letters of a run, because a run does what they ask for."""
    for letter in _open(draft, run_id, kinds):
        _put(draft, letter, DeadLetterState.REPLAYED, by, outcome)
        draft.tell(letter.tenant, AUDIT, "", audit_body("REPLAY_DEAD_LETTER", by, letter.id, draft.now, outcome))


def discard_effect(draft: Draft, tenant: str, effect: EffectName, by: str) -> None:
    """Settle the letter of an effect, because somebody has said what became of it."""
    for letter in _open(draft, effect.run_id, {DeadLetterKind.EFFECT}):
        if (letter.tenant, letter.subject) == (tenant, f"{effect.key}/{effect.attempt}"):
            _put_aside(draft, letter, by)


def _open(draft: Draft, run_id: str | None, kinds: Collection[str]) -> list[DeadLetter]:
    found = [letter for letter in draft.dead.values() if letter.run_id == run_id and letter.kind in kinds]
    return sorted((one for one in found if one.state is DeadLetterState.OPEN), key=lambda letter: letter.id)


def _put_aside(draft: Draft, letter: DeadLetter, by: str) -> DeadLetter:
    detail = {"kind": letter.kind.value, "run_id": letter.run_id, "cause": letter.cause}
    draft.tell(letter.tenant, AUDIT, "", audit_body("DISCARD_DEAD_LETTER", by, letter.id, draft.now, detail))
    return _put(draft, letter, DeadLetterState.DISCARDED, by, None)


def _put(draft: Draft, letter: DeadLetter, state: DeadLetterState, by: str, outcome: JsonObject | None) -> DeadLetter:
    settled = replace(letter, state=state, settled_at=draft.now, settled_by=by, outcome=outcome)
    draft.dead[letter.id] = settled
    return settled


def _age(letter: DeadLetter) -> tuple[object, str]:
    return letter.created_at, letter.id

"""Replays dead letters: a run again, a message again, an effect under its own key."""

from dataclasses import replace
from itertools import count
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ripieno.domain import ids, jsons
from ripieno.domain.dead_letters import DeadLetter, DeadLetterKind, DeadLetterState, Message, Replay
from ripieno.domain.effects import EffectClass
from ripieno.domain.errors import DeadLetterSettled, Invalid, Problem, ReplayRefused
from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.principals import Principal
from ripieno.domain.runs import NewRun, RunInput, RunKind
from ripieno.engine.direct import Answered, DirectCall, DirectCalls
from ripieno.ports import Clock, DeadLetters, Definitions


class _Edit(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RunEdit(_Edit):
    """What a run is given in place of what it had."""

    agent: str | None = None
    goal: str | None = Field(default=None, min_length=1)
    data: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    model: str | None = None
    limits: dict[str, float] | None = None


class MessageEdit(_Edit):
    """Another run for a message, or another message."""

    run_id: str | None = None
    topic: str | None = None
    body: dict[str, Any] | None = None


class Replaying:
    """Deals with dead letters again. A second replay answers what came of the first."""

    def __init__(self, letters: DeadLetters, direct: DirectCalls, definitions: Definitions, clock: Clock) -> None:
        self._letters = letters
        self._direct = direct
        self._definitions = definitions
        self._clock = clock

    async def replay(self, principal: Principal, letter_id: str, edit: JsonObject | None = None) -> DeadLetter:
        """Try it again, edited where that is wanted.

        Raises:
            NotFound: No such letter, or what it needs is not there: its agent, the run of its message, its tool.
            Invalid: The edit does not fit the kind.
            DeadLetterSettled: It was discarded.
            RunEnded: The message is for a run that is over.
            ReplayRefused: It cannot be repeated; the sentence says what can be done.
        """
        letter = await self._letters.get(principal.tenant, letter_id)
        if letter.state is DeadLetterState.REPLAYED:
            return letter
        if letter.state is DeadLetterState.DISCARDED:
            raise DeadLetterSettled(letter_id, letter.state)
        order = await self._order(principal, letter, edit or {})
        return await self._letters.replay(principal.tenant, letter_id, order)

    async def _order(self, principal: Principal, letter: DeadLetter, edit: JsonObject) -> Replay:
        match letter.kind:
            case DeadLetterKind.RUN:
                return Replay(principal.id, run=await self._run(principal, letter, _read(RunEdit, edit)))
            case DeadLetterKind.MESSAGE:
                return Replay(principal.id, message=_message(letter, _read(MessageEdit, edit)))
            case DeadLetterKind.EFFECT:
                _read(_Edit, edit)
                return await self._repeat(principal, letter)
            case DeadLetterKind.EVENT | DeadLetterKind.DELIVERY:
                raise ReplayRefused(f"nothing here can send a dead letter of kind {letter.kind.value} again")

    async def _run(self, principal: Principal, letter: DeadLetter, edit: RunEdit) -> NewRun:
        """A run of its own, in the same session, that says where it comes from."""
        was = letter.payload
        definition = await self._definitions.agent(edit.agent or was["agent"])
        run_id = self._clock.new_id(ids.RUN)
        return NewRun(
            id=run_id,
            tenant=letter.tenant,
            kind=RunKind.TEAM if definition.is_team else RunKind.AGENT,
            target=definition.name,
            target_version=definition.version,
            session_id=was["session_id"],
            input=_edited(jsons.decode(RunInput, was["input"]), edit),
            created_by=principal.id,
            root_id=run_id,
            lane=was["lane"],
            priority=was["priority"],
            dry_run=was["dry_run"],
            metadata={**was["metadata"], "replay_of": letter.run_id, "dead_letter": letter.id},
        )

    async def _repeat(self, principal: Principal, letter: DeadLetter) -> Replay:
        """Only what may be repeated is: its run is over, so nobody is left whom a person could tell what happened."""
        tool, effect = letter.payload["tool"], EffectClass(letter.payload["effect"])
        if effect not in {EffectClass.READ, EffectClass.IDEMPOTENT}:
            raise ReplayRefused(
                f"{tool} is {effect.value}: repeating it could do it twice. Find out whether it happened; then retry "
                f"{letter.run_id} and say so there (ripieno retry --settle), or discard this"
            )
        answered = await self._anew(principal, letter)
        if not answered.result.ok:
            raise ReplayRefused(f"{tool} answered {answered.result.status.value}: {answered.result.text}")
        return Replay(principal.id, result=jsons.encode(answered.result), through=answered.run_id)

    async def _anew(self, principal: Principal, letter: DeadLetter) -> Answered:
        """Call it in a run of its own, under the key of the call that it repeats; one that a crash cut off goes on."""
        given = letter.payload
        numbers = count(1)
        while True:
            run_id = ids.derive(ids.RUN, letter.run_id, f"{letter.id}/{next(numbers)}")
            call = DirectCall(given["tool"], given["arguments"], id=run_id, idempotency_key=given["idempotency_key"])
            answered = await self._direct.call(principal, call)
            if answered.new or answered.result.ok:
                return answered


def _edited(given: RunInput, edit: RunEdit) -> RunInput:
    changes: dict[str, Json] = {name: value for name, value in edit if value is not None and name != "agent"}
    return replace(given, **changes)


def _message(letter: DeadLetter, edit: MessageEdit) -> Message:
    was = letter.payload
    body = was["body"] if edit.body is None else edit.body
    return Message(edit.run_id or letter.run_id, edit.topic or was["topic"], body)


def _read(kind: type[Any], edit: JsonObject) -> Any:
    try:
        return kind.model_validate(edit)
    except ValidationError as error:
        problems = [
            Problem("/edit" + "".join(f"/{part}" for part in item["loc"]), item["msg"]) for item in error.errors()
        ]
        raise Invalid("the edit does not fit this kind of dead letter", problems) from None

"""Performs `CallModel`: one reply, journaled before anything is done with it."""

import logging

from ripieno.domain import jsons
from ripieno.domain.entries import Entry, EntryType, NewEntry
from ripieno.domain.errors import Defect, ModelRefused, Unavailable
from ripieno.domain.hints import Hint, HintKind
from ripieno.domain.messages import Reply, TextDelta
from ripieno.engine.core.commands import CallModel, ModelAnswered, ModelFailed
from ripieno.engine.halting import Halting
from ripieno.engine.leg import Leg
from ripieno.ports import Clock, Dispatch, Model

log = logging.getLogger(__name__)


class ModelPerformer:
    """Calls the model, passes deltas on, writes the reply or the failure down."""

    def __init__(self, model: Model, dispatch: Dispatch, clock: Clock, halting: Halting) -> None:
        self._model = model
        self._dispatch = dispatch
        self._clock = clock
        self._halting = halting

    async def perform(self, leg: Leg, command: CallModel) -> ModelAnswered | ModelFailed:
        """The outcome, from the journal where it is there. Raises `Blocked` for a model that is halted."""
        if entry := leg.recorded.get(command.key):
            return _recorded(entry, command.request.fingerprint)
        self._halting.check(leg.run, model=command.request.model)
        began = self._clock.monotonic()
        try:
            reply = await self._ask(leg.run.id, command)
        except (Unavailable, Defect) as error:
            failed = ModelFailed(error.code, error.detail)
            body = {"code": failed.code, "detail": failed.detail}
            await leg.append(NewEntry(command.key, EntryType.MODEL_FAILED, body))
            return failed
        ms = round((self._clock.monotonic() - began) * 1000, 3)
        body = {"reply": jsons.encode(reply), "fingerprint": command.request.fingerprint, "ms": ms}
        await leg.append(NewEntry(command.key, EntryType.MODEL_REPLIED, body))
        return ModelAnswered(reply, ms)

    async def _ask(self, run_id: str, command: CallModel) -> Reply:
        reply: Reply | None = None
        async for event in self._model.stream(command.request):
            if isinstance(event, TextDelta):
                self._dispatch.publish([Hint(HintKind.DELTA, run_id, event.text)])
            else:
                reply = event
        if reply is None:
            raise ModelRefused("the model's stream ended without a reply")
        return reply


def _recorded(entry: Entry, fingerprint: str) -> ModelAnswered | ModelFailed:
    """The journal wins; that the logic would ask something else now (another version of it, say) is only told."""
    if entry.type is EntryType.MODEL_FAILED:
        return ModelFailed(entry.body["code"], entry.body["detail"])
    if entry.body["fingerprint"] != fingerprint:
        log.warning("the conversation is not the recorded one", extra={"run_id": entry.run_id, "key": entry.key})
    return ModelAnswered(jsons.decode(Reply, entry.body["reply"]), entry.body["ms"])

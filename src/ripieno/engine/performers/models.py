"""Performs `CallModel`: one reply, journaled before anything is done with it."""

import logging

from ripieno.domain import jsons
from ripieno.domain.budgets import Amount
from ripieno.domain.entries import Entry, EntryType, NewEntry
from ripieno.domain.errors import Defect, ModelRefused, Unavailable
from ripieno.domain.hints import Hint, HintKind
from ripieno.domain.messages import ModelRequest, Reply, TextDelta
from ripieno.engine.core.commands import CallModel, ModelAnswered, ModelFailed
from ripieno.engine.leg import Leg
from ripieno.engine.performers.labels import labelled
from ripieno.engine.performers.spending import Checks, Overspent
from ripieno.ports import Clock, Dispatch, Model

log = logging.getLogger(__name__)


class ModelPerformer:
    """Calls the model, passes deltas on, writes the reply or the failure down."""

    def __init__(self, model: Model, dispatch: Dispatch, clock: Clock, checks: Checks) -> None:
        self._model = model
        self._spending = checks.spending
        self._dispatch = dispatch
        self._clock = clock
        self._halting = checks.halting

    async def perform(self, leg: Leg, command: CallModel) -> ModelAnswered | ModelFailed:
        """The outcome, from the journal where it is there.

        Raises:
            Blocked: The model is halted, or a budget is spent and a person is asked for more.
        """
        if entry := leg.recorded.get(command.key):
            return _recorded(entry, command.request.fingerprint)
        command = labelled(leg, command)
        self._halting.check(leg.run, model=command.request.model)
        try:
            request = await self._spending.before_model(leg, command)
        except (Overspent, ModelRefused) as error:
            return await self._fail(leg, command.key, ModelFailed(error.code, error.detail))
        began = self._clock.monotonic()
        try:
            reply = await self._ask(leg.run.id, request)
        except (Unavailable, Defect) as error:
            leg.spent(command.key, Amount.used(seconds=self._clock.monotonic() - began))
            return await self._fail(leg, command.key, ModelFailed(error.code, error.detail))
        ms = round((self._clock.monotonic() - began) * 1000, 3)
        leg.spent(command.key, Amount.used(reply.usage.cost_usd, reply.usage.tokens, ms / 1000))
        body = {"reply": jsons.encode(reply), "fingerprint": command.request.fingerprint, "ms": ms}
        await leg.append(NewEntry(command.key, EntryType.MODEL_REPLIED, body))
        return ModelAnswered(reply, ms)

    async def _fail(self, leg: Leg, key: str, failed: ModelFailed) -> ModelFailed:
        body = {"code": failed.code, "detail": failed.detail}
        await leg.append(NewEntry(key, EntryType.MODEL_FAILED, body))
        return failed

    async def _ask(self, run_id: str, request: ModelRequest) -> Reply:
        reply: Reply | None = None
        async for event in self._model.stream(request):
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

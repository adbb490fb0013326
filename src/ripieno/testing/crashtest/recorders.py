"""What stands in for the world: tools that only remember, and rings that tell the witness of each call."""

from collections.abc import AsyncIterator, Sequence

from ripieno.domain import jsons
from ripieno.domain.effects import EffectClass
from ripieno.domain.messages import ModelEvent, ModelRequest
from ripieno.domain.tools import ToolCall, ToolContext, ToolResult, ToolSpec
from ripieno.ports import Model, SchemaCheck, Toolset
from ripieno.testing.crashtest.examples import example
from ripieno.testing.crashtest.witness import Witness
from ripieno.testing.recording_tools import RecordingTools, Scripted
from ripieno.tools.failures import not_sent


def recorders(specs: Sequence[ToolSpec], check: SchemaCheck, latency: float) -> RecordingTools:
    """Tools with these specs that touch nothing and answer what their output schema allows."""
    return RecordingTools({spec.name: _recorder(spec, check, latency) for spec in specs})


def _recorder(spec: ToolSpec, check: SchemaCheck, latency: float) -> Scripted:
    said = f"{spec.name} was recorded and not called: there are 3 items, 42 % in use."
    value = said if spec.output_schema is None else example(spec.output_schema)
    valid = spec.output_schema is None or not check(spec.output_schema, value)
    return Scripted(
        value if valid else said,
        effect=spec.effect,
        risk=spec.risk,
        latency=latency,
        description=spec.description,
        input_schema=spec.input_schema,
        output_schema=spec.output_schema,
        timeout=spec.timeout,
        keywords=spec.keywords,
    )


class WitnessedTools:
    """A ring that tells on whose behalf a tool was called, before it is."""

    def __init__(self, inner: Toolset, witness: Witness) -> None:
        self._inner = inner
        self._witness = witness

    async def list(self, context: ToolContext) -> Sequence[ToolSpec]:
        """See `ports.Toolset`."""
        return await self._inner.list(context)

    async def call(self, call: ToolCall, context: ToolContext) -> ToolResult:
        """See `ports.Toolset`."""
        effects = {spec.name: spec.effect for spec in await self._inner.list(context)}
        if not context.may_begin():
            return not_sent(call.name)
        self._witness.tell(
            "called",
            run=context.run_id,
            key=context.key,
            tool=call.name,
            effect=effects.get(call.name, EffectClass.READ).value,
            idempotency_key=context.idempotency_key,
            arguments=jsons.digest(call.arguments)[:12],
        )
        return await self._inner.call(call, context)


class WitnessedModel:
    """A ring that tells which conversation a model was asked to go on with, before it is."""

    def __init__(self, inner: Model, witness: Witness) -> None:
        self._inner = inner
        self._witness = witness

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """See `ports.Model`."""
        self._witness.tell("thought", fingerprint=request.fingerprint)
        async for event in self._inner.stream(request):
            yield event

"""Telling what models were asked and what came of it."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

from ripieno.domain.errors import RipienoError
from ripieno.domain.messages import Message, ModelEvent, ModelRequest, Reply
from ripieno.domain.operations import Fact, Operation, Record
from ripieno.models.closing import closing
from ripieno.ports import Clock, Model

PROVIDERS: Mapping[str, str] = {"bedrock": "aws.bedrock"}
"""Names of providers that the conventions call otherwise."""

MEASURED = (
    "gen_ai.operation.name",
    "gen_ai.provider.name",
    "gen_ai.request.model",
    "gen_ai.response.model",
    "error.type",
)


@dataclass(frozen=True, slots=True)
class Recording:
    """Where operations are told. With `clean`, also what was said, passed through it; without, nobody sees that."""

    record: Record
    clock: Clock
    clean: Callable[[str], str] | None = None


class RecordedModel:
    """`ports.Model` whose calls are told, each once, however they end."""

    def __init__(self, inner: Model, recording: Recording) -> None:
        self._inner = inner
        self._recording = recording

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Answer as the inner model does."""
        clock = self._recording.clock
        began, start = clock.now(), clock.monotonic()
        reply: Reply | None = None
        error: str | None = "cancelled"
        try:
            async with closing(self._inner.stream(request)) as events:
                async for event in events:
                    if isinstance(event, Reply):
                        reply, error = event, None
                    yield event
        except Exception as failure:
            error = failure.code if isinstance(failure, RipienoError) else type(failure).__name__
            raise
        finally:
            facts = {**_asked(request), **_answered(reply), **self._said(request, reply)}
            self._recording.record(
                Operation(
                    name="chat",
                    subject=str(facts["gen_ai.request.model"]),
                    run_id=str(request.labels.get("run", "")),
                    began=began,
                    seconds=clock.monotonic() - start,
                    facts=facts,
                    measured=MEASURED,
                    tokens=_tokens(reply),
                    error=error,
                )
            )

    def _said(self, request: ModelRequest, reply: Reply | None) -> dict[str, Fact]:
        clean = self._recording.clean
        if clean is None:
            return {}
        said = json.dumps([_part(message) for message in request.messages], ensure_ascii=False)
        answer = json.dumps([{"role": "assistant", "content": reply.text}] if reply else [], ensure_ascii=False)
        return {"gen_ai.input.messages": clean(said), "gen_ai.output.messages": clean(answer)}


def _asked(request: ModelRequest) -> dict[str, Fact]:
    provider, _, model = request.model.rpartition(":")
    provider = provider or request.model
    facts: dict[str, Fact | None] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": PROVIDERS.get(provider, provider),
        "gen_ai.request.model": model,
        "gen_ai.request.temperature": request.temperature,
        "gen_ai.request.max_tokens": request.max_tokens,
        "gen_ai.conversation.id": _label(request, "session"),
        "gen_ai.agent.name": _label(request, "agent"),
        "ripieno.tenant": _label(request, "tenant"),
        "ripieno.run.id": _label(request, "run"),
    }
    return {name: fact for name, fact in facts.items() if fact is not None}


def _label(request: ModelRequest, name: str) -> str | None:
    value = request.labels.get(name)
    return value if isinstance(value, str) and value else None


def _answered(reply: Reply | None) -> dict[str, Fact]:
    if reply is None:
        return {}
    usage = reply.usage
    provider = {"gen_ai.provider.name": PROVIDERS.get(reply.provider, reply.provider)} if reply.provider else {}
    return {
        **provider,
        "gen_ai.response.model": reply.model.rpartition(":")[2],
        "gen_ai.response.finish_reasons": (reply.finish_reason,),
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cached_tokens,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens,
        "ripieno.usage.cost_usd": usage.cost_usd,
    }


def _tokens(reply: Reply | None) -> dict[str, int]:
    return {"input": reply.usage.input_tokens, "output": reply.usage.output_tokens} if reply else {}


def _part(message: Message) -> dict[str, str]:
    return {"role": message.role, "content": message.text}

"""Our messages as the wire library wants them, and its response as our `Reply`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from pydantic_ai.messages import (
    BinaryContent,
    ModelMessage,
    ModelRequestPart,
    ModelResponse,
    ModelResponsePart,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserContent,
    UserPromptPart,
)
from pydantic_ai.messages import ModelRequest as WireRequest
from pydantic_ai.tools import ToolDefinition

from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.messages import (
    AssistantMessage,
    Attachment,
    ModelRequest,
    Reply,
    SystemMessage,
    ToolMessage,
    UserMessage,
)
from ripieno.domain.tools import ToolCall, ToolSpec
from ripieno.domain.usage import Usage
from ripieno.models.wire import attached
from ripieno.models.wire.server import Server
from ripieno.models.wire.wording import result_text, schema_instruction

_FINISH = {"stop": "stop", "length": "length", "tool_call": "tool_calls", "content_filter": "content_filter"}


def to_wire(request: ModelRequest, *, marked: bool = False) -> list[ModelMessage]:
    """Translate a conversation.

    The instructions at its start become one system message, because many servers accept no more; a system message
    further on becomes a user message. What comes between two answers goes out together, as some wires ask for. A schema
    for the answer is part of the instructions. With `marked`, failed results are marked in the way of the wire, too.
    """
    messages = list(request.messages)
    start = next((at for at, message in enumerate(messages) if not isinstance(message, SystemMessage)), len(messages))
    head = [message.text for message in messages[:start]]
    if request.output_schema is not None:
        head.append(schema_instruction(request.output_schema))
    wire: list[ModelMessage] = []
    parts: list[ModelRequestPart] = [SystemPromptPart("\n\n".join(head))] if head else []
    for message in messages[start:]:
        if isinstance(message, AssistantMessage):
            wire += [WireRequest(parts=parts)] if parts else []
            wire.append(ModelResponse(parts=list(_said(message))))
            parts = []
        else:
            parts.append(_asked(message, marked))
    return [*wire, WireRequest(parts=parts)] if parts else wire


def _asked(message: SystemMessage | UserMessage | ToolMessage, marked: bool) -> ModelRequestPart:
    if isinstance(message, ToolMessage):
        outcome = "failed" if marked and message.is_error else "success"
        return ToolReturnPart(
            wire_name(message.name), content=result_text(message), tool_call_id=message.call_id, outcome=outcome
        )
    if isinstance(message, SystemMessage):
        return UserPromptPart(message.text)
    message = attached.with_texts(message)
    text = message.text
    if message.data is not None:
        block = json.dumps(message.data, ensure_ascii=False, indent=1)
        text = f"{text}\n\n```json\n{block}\n```"
    return UserPromptPart([*filter(None, [text]), *_files(message.attachments)] if message.attachments else text)


def _files(attachments: Sequence[Attachment]) -> Iterator[UserContent]:
    for each in attachments:
        yield attached.label(each)
        yield BinaryContent(attached.content(each), media_type=attached.media_type(each))


def _said(message: AssistantMessage) -> Iterator[ModelResponsePart]:
    if message.text:
        yield TextPart(message.text)
    for call in message.tool_calls:
        # Servers parse the arguments of earlier calls too, so broken ones go back inside a whole object.
        arguments = call.arguments if call.malformed is None else {"malformed": call.malformed}
        yield ToolCallPart(wire_name(call.name), args=json.dumps(arguments, ensure_ascii=False), tool_call_id=call.id)


def wire_name(name: str) -> str:
    """A tool's name in the alphabet of the wire, as `ToolSpec.wire_name`."""
    return name.replace(".", "__")


def definitions(tools: Sequence[ToolSpec]) -> list[ToolDefinition]:
    """Describe tools. They are not strict: strict tools have their schemas rewritten."""
    return [
        ToolDefinition(
            name=tool.wire_name,
            description=tool.description,
            parameters_json_schema=tool.input_schema,
            strict=False,
        )
        for tool in tools
    ]


def to_reply(response: ModelResponse, tools: Sequence[ToolSpec], asked: str, server: Server) -> Reply:
    """Translate a whole response to a request for the model `asked`."""
    names = {tool.wire_name: tool.name for tool in tools}
    text = "".join(part.content or "" for part in response.parts if isinstance(part, TextPart))
    calls = tuple(_call(part, names) for part in response.parts if isinstance(part, ToolCallPart))
    finish = _FINISH.get(response.finish_reason or "stop", "stop")
    metadata: JsonObject = {"model": response.model_name or asked, "base_url": server.address}
    if response.provider_response_id:
        metadata["response_id"] = response.provider_response_id
    if response.usage.cache_write_tokens:
        metadata["cache_write_tokens"] = response.usage.cache_write_tokens
    return Reply(
        text=text,
        tool_calls=calls,
        usage=_usage(response),
        model=response.model_name or asked,
        provider=server.provider,
        finish_reason="tool_calls" if calls and finish == "stop" else finish,
        metadata=metadata,
    )


def _call(part: ToolCallPart, names: Mapping[str, str]) -> ToolCall:
    name = names.get(part.tool_name, part.tool_name.replace("__", ".", 1))
    raw: Json = part.args
    if isinstance(raw, str) and raw.strip():
        try:
            raw = json.loads(raw)
        except (ValueError, RecursionError):
            return ToolCall(part.tool_call_id, name, malformed=str(part.args))
    if isinstance(raw, dict):
        return ToolCall(part.tool_call_id, name, arguments=cast("JsonObject", raw))
    # Many models send nothing at all for a tool without parameters.
    return ToolCall(part.tool_call_id, name, malformed=str(part.args) if raw else None)


def _usage(response: ModelResponse) -> Usage:
    used = response.usage
    return Usage(
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        cached_tokens=used.cache_read_tokens,
        reasoning_tokens=used.output_reasoning_tokens or used.details.get("reasoning_tokens", 0),
        calls=1,
    )

"""What a fake provider answers when no script says so: the offline model, behind the wire.

The purpose of a request is not on the wire, so it is told from the answer's schema and from the data that is shown.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ripieno.domain.effects import EffectClass
from ripieno.domain.messages import (
    AssistantMessage,
    Message,
    ModelRequest,
    Reply,
    SystemMessage,
    ToolMessage,
    UserMessage,
)
from ripieno.domain.tools import ToolCall, ToolSpec
from ripieno.models.providers.offline.model import respond

_BLOCK = re.compile(r"\n\n```json\n(.*)\n```\s*$", re.DOTALL)
_EVIDENCE = re.compile(r"^\[([^\]\s]+)\]( \(failed\))?\n")
_SCHEMA = re.compile(r"JSON Schema:\n(\{.*\})", re.DOTALL)

Body = Mapping[str, Any]


def think(body: Body) -> Reply:
    """Answer the body of a chat completion request."""
    messages = [_message(raw) for raw in body["messages"]]
    names = {call.id: call.name for each in messages if isinstance(each, AssistantMessage) for call in each.tool_calls}
    messages = [replace(each, name=names[each.call_id]) if isinstance(each, ToolMessage) else each for each in messages]
    schema = _schema(body, messages)
    tools = tuple(_tool(raw["function"]) for raw in body.get("tools", ()))
    request = ModelRequest(f"wire:{body['model']}", tuple(messages), tools, schema, purpose=_purpose(schema, messages))
    return respond(request)


def _purpose(schema: dict[str, Any] | None, messages: list[Message]) -> str:
    title = str((schema or {}).get("title", "")).lower()
    if title in {"plan", "review"}:
        return title
    data = next((each.data for each in reversed(messages) if isinstance(each, UserMessage)), None) or {}
    keys = ({"draft", "evidence"}, "review"), ({"agents"}, "plan"), ({"results", "evidence"}, "compose")
    return next((name for need, name in (*keys, ({"path", "content"}, "deliver")) if need <= set(data)), "act")


def _schema(body: Body, messages: list[Message]) -> dict[str, Any] | None:
    form: dict[str, Any] = body.get("response_format") or {}
    if form.get("type") == "json_schema":
        return form["json_schema"]["schema"]
    said = _SCHEMA.search("\n".join(each.text for each in messages if isinstance(each, SystemMessage)))
    return json.loads(said.group(1)) if said else None


def _tool(raw: Body) -> ToolSpec:
    name = str(raw["name"]).replace("__", ".", 1)
    return ToolSpec(name, str(raw.get("description", "")), dict(raw.get("parameters", {})), effect=EffectClass.READ)


def _message(raw: Body) -> Message:
    content: str | list[dict[str, Any]] = raw.get("content") or ""
    text = content if isinstance(content, str) else "\n\n".join(str(part.get("text", "")) for part in content)
    if raw["role"] == "system":
        return SystemMessage(text)
    if raw["role"] == "tool":
        head = _EVIDENCE.match(text)
        failed = bool(head and head.group(2))
        body, evidence = (text[head.end() :], head.group(1)) if head else (text, "")
        return ToolMessage(raw["tool_call_id"], "", body, evidence, is_error=failed)
    if raw["role"] == "assistant":
        return AssistantMessage(text, tuple(_call(each) for each in raw.get("tool_calls") or ()))
    block = _BLOCK.search(text)
    return UserMessage(text[: block.start()], json.loads(block.group(1))) if block else UserMessage(text)


def _call(raw: Body) -> ToolCall:
    function = raw["function"]
    return ToolCall(raw["id"], function["name"].replace("__", ".", 1), json.loads(function["arguments"]))

"""A server that speaks Anthropic's Messages API as far as agents use it, and fails in every way that was met.

It refuses a bad key, bad tool names, empty text, tool calls whose results do not follow at once, results without their
calls, and formats with open objects. As a program: `python -m tests.wire.anthropic_server --port 0`; see `provider`.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, cast

from tests.wire.brain import think
from tests.wire.provider import Exchange, Provider, main
from tests.wire.script import Seen, Step, thought

_NAME = re.compile(r"^[a-zA-Z0-9_-]{1,128}$")
_IMAGES = {"image/png", "image/jpeg", "image/gif", "image/webp"}
_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}

Block = dict[str, Any]


class AnthropicServer(Provider):
    """A fake Anthropic server."""

    async def elsewhere(self, exchange: Exchange) -> bool:
        """The list of models, and what is not there."""
        if exchange.method == "GET" and exchange.path == "/v1/models":
            data = [{"type": "model", "id": "fake", "display_name": "Fake", "created_at": "2026-01-01T00:00:00Z"}]
            await exchange.answer(200, {"data": data, "has_more": False, "first_id": "fake", "last_id": "fake"})
        elif exchange.path != "/v1/messages":
            await exchange.answer(404, _error("not_found_error", f"Not found: {exchange.path}"))
        else:
            return False
        return True

    def refusal(self, seen: Seen) -> tuple[int, Any] | None:
        """A bad key, or what `wrong` finds."""
        given = {seen.headers.get("x-api-key"), seen.headers.get("authorization", "").removeprefix("Bearer ")}
        if self.key and self.key not in given:
            return 401, _error("authentication_error", "invalid x-api-key")
        if "anthropic-version" not in seen.headers:
            return 400, _error("invalid_request_error", "anthropic-version: header is required")
        problem = wrong(seen.body)
        return (400, _error("invalid_request_error", problem)) if problem else None

    def streams(self, seen: Seen) -> bool:
        """As the body says."""
        return bool(seen.body.get("stream"))

    def thought(self, body: dict[str, Any]) -> Step:
        """The offline model's answer."""
        return thought(think(as_chat(body)))

    def failure(self, status: int, message: str, code: str | None) -> Any:
        """An error; `code` is its type."""
        return _error(code or _KINDS.get(status, "api_error"), message)

    def whole(self, step: Step, seen: Seen) -> Any:
        """A message."""
        content: list[Block] = [{"type": "text", "text": step.text}] if step.text else []
        content += [
            {"type": "tool_use", "id": f"toolu_{index}", "name": name, "input": json.loads(arguments or "{}")}
            for index, (name, arguments) in enumerate(step.calls)
        ]
        ended = {"content": content, "stop_reason": _reason(step), "usage": _usage(step, seen.body, ended=True)}
        return {**_message(step, seen.body), **ended}

    def events(self, step: Step, seen: Seen) -> list[bytes]:
        """Its events."""
        if step.raw:
            return [_event(json.loads(raw)) for raw in step.raw]
        if step.fault == "empty":
            return []
        return [_event(event) for event in stream(step, seen.body)]

    def odd(self, step: Step, seen: Seen) -> bytes:  # noqa: ARG002
        """One event with a fault."""
        if step.fault == "nonsense":
            return b"event: message_start\ndata: {nonsense\n\n"
        if step.fault == "error":
            return _event(_error("overloaded_error", "the engine fell over"))
        if step.text:
            return _event(_delta(0, "text_delta", text="drip "))
        return _event({"type": "ping"})


def wrong(body: dict[str, Any]) -> str:
    """What a real server would refuse in a request; empty when it is fine."""
    if not isinstance(body.get("max_tokens"), int):
        return "max_tokens: Field required"
    names = [tool["name"] for tool in body.get("tools", ())]
    if bad := [name for name in names if not _NAME.match(name)]:
        return f"tools.0.custom.name: String should match pattern '{_NAME.pattern}': {bad[0]}"
    if not body["messages"]:
        return "messages: at least one message is required"
    config: dict[str, Any] = body.get("output_config") or {}
    form: dict[str, Any] = config.get("format") or {}
    if form and not all(closed(each) for each in objects(form["schema"])):
        return "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false"
    return _unpaired(body["messages"])


def closed(schema: dict[str, Any]) -> bool:
    """Whether an object in a format has no members of free choice."""
    return schema.get("type") != "object" or schema.get("additionalProperties") is False


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """All objects in a document."""
    if isinstance(schema, dict):
        found = cast("dict[str, Any]", schema)
        yield found
        for each in found.values():
            yield from objects(each)
    elif isinstance(schema, list):
        for each in cast("list[Any]", schema):
            yield from objects(each)


def _unpaired(messages: list[Block]) -> str:
    waiting: set[str] = set()
    for at, message in enumerate(messages):
        blocks = _blocks(message)
        if any(block["type"] == "text" and not block["text"].strip() for block in blocks):
            return "messages: text content blocks must be non-empty"
        if bad := [block for block in blocks if block["type"] in {"image", "document"} and not _is_file(block)]:
            return f"messages.{at}.content: {bad[0]['type']}.source: Input should be a valid source"
        results = {block["tool_use_id"] for block in blocks if block["type"] == "tool_result"}
        if lacking := waiting - results:
            found = ", ".join(sorted(lacking))
            return f"messages.{at}: `tool_use` ids were found without `tool_result` blocks immediately after: {found}"
        if results - waiting:
            return f"messages.{at}.content.0: unexpected `tool_use_id` found in `tool_result` blocks"
        waiting = {block["id"] for block in blocks if block["type"] == "tool_use"}
    return "messages: `tool_use` ids were found without `tool_result` blocks" if waiting else ""


def _is_file(block: Block) -> bool:
    source = block["source"]
    allowed = _IMAGES if block["type"] == "image" else {"application/pdf"}
    return source["type"] == "base64" and source["media_type"] in allowed and bool(source["data"])


def stream(step: Step, body: dict[str, Any]) -> list[Block]:
    """An answer as events: the text word by word, the calls in pieces, the end with the usage."""
    made: list[Block] = [{"type": "message_start", "message": _message(step, body)}, {"type": "ping"}]
    if step.fault == "strange":
        made.append({"type": "weather_report", "sky": "blue"})
        made += _block(0, {"type": "hologram", "cells": [1]}, [{"type": "hologram_delta", "cell": 2}])
    at = 1 if step.fault == "strange" else 0
    if step.text:
        words = [{"type": "text_delta", "text": word} for word in re.findall(r"\S+\s*|\s+", step.text)]
        made += _block(at, {"type": "text", "text": ""}, words)
        at += 1
    for index, (name, arguments) in enumerate(step.calls):
        half = len(arguments) // 2
        pieces = [{"type": "input_json_delta", "partial_json": piece} for piece in (arguments[:half], arguments[half:])]
        made += _block(at + index, {"type": "tool_use", "id": f"toolu_{index}", "name": name, "input": {}}, pieces)
    delta = {"stop_reason": _reason(step), "stop_sequence": None}
    made.append({"type": "message_delta", "delta": delta, "usage": _usage(step, body, ended=True)})
    return [*made, {"type": "message_stop"}]


def as_chat(body: dict[str, Any]) -> dict[str, Any]:
    """The same request in the words of a chat completion, for the brain."""
    system = body.get("system", "")
    text = system if isinstance(system, str) else "\n\n".join(block["text"] for block in system)
    messages: list[Block] = [{"role": "system", "content": text}] if text else []
    for message in body["messages"]:
        messages += _chat(message["role"], _blocks(message))
    tools = [
        {"function": {"name": tool["name"], "description": tool["description"], "parameters": tool["input_schema"]}}
        for tool in body.get("tools", ())
    ]
    return {"model": body["model"], "messages": messages, "tools": tools}


def _chat(role: str, blocks: list[Block]) -> Iterator[Block]:
    texts = [block["text"] for block in blocks if block["type"] == "text"]
    if role == "assistant":
        made = [
            {"id": block["id"], "function": {"name": block["name"], "arguments": json.dumps(block["input"])}}
            for block in blocks
            if block["type"] == "tool_use"
        ]
        yield {"role": role, "content": "".join(texts), "tool_calls": made}
        return
    for block in blocks:
        if block["type"] == "tool_result":
            content = "".join(each["text"] for each in block["content"])
            yield {"role": "tool", "tool_call_id": block["tool_use_id"], "content": content}
    yield from ({"role": "user", "content": text} for text in texts)


def _blocks(message: Block) -> list[Block]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _block(index: int, start: Block, deltas: list[Block]) -> Iterator[Block]:
    yield {"type": "content_block_start", "index": index, "content_block": start}
    yield from ({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas)
    yield {"type": "content_block_stop", "index": index}


def _delta(index: int, kind: str, **more: Any) -> Block:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **more}}


def _message(step: Step, body: dict[str, Any]) -> Block:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": _usage(step, body),
    }


def _reason(step: Step) -> str:
    return step.finish or ("tool_use" if step.calls else "end_turn")


def _usage(step: Step, body: dict[str, Any], *, ended: bool = False) -> Block:
    words = sum(len(str(block.get("text", "")).split()) for message in body["messages"] for block in _blocks(message))
    output = len(step.text.split()) + sum(len(arguments) for _, arguments in step.calls) + step.reasoning
    return {
        "input_tokens": words,
        "cache_creation_input_tokens": step.written,
        "cache_read_input_tokens": step.cached,
        "output_tokens": output if ended else 1,
        "output_tokens_details": {"thinking_tokens": step.reasoning if ended else 0},
    }


def _error(kind: str, message: str) -> Block:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


def _event(event: Any) -> bytes:
    kind = event.get("type", "message_start") if isinstance(event, dict) else "message_start"  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return f"event: {kind}\ndata: {json.dumps(event)}\n\n".encode()


if __name__ == "__main__":
    main(AnthropicServer)

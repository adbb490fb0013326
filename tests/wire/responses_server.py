"""A server that speaks OpenAI's Responses API as far as agents use it, and fails in every way that was met.

It refuses a bad key, bad tool names, results without their calls, open calls, and files in another API's form. As a
program: `python -m tests.wire.responses_server --port 0`; see `provider`.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.wire.brain import think
from tests.wire.openai_server import IMAGE, NAME, OpenAIServer
from tests.wire.provider import Exchange, main
from tests.wire.script import Seen, Step, thought

Item = dict[str, Any]


class ResponsesServer(OpenAIServer):
    """A fake OpenAI server with the newer API."""

    async def elsewhere(self, exchange: Exchange) -> bool:
        """What is not for this API."""
        return False if exchange.path.endswith("/responses") else await super().elsewhere(exchange)

    def wrong(self, body: dict[str, Any]) -> str:
        """What a real server would refuse in a request; empty when it is fine."""
        if bad := [tool["name"] for tool in body.get("tools", ()) if not NAME.match(tool["name"])]:
            return f"Invalid 'tools[0].name': {bad[0]!r} does not match '{NAME.pattern}'."
        text: dict[str, dict[str, Any]] = body.get("text") or {}
        form = text.get("format", {})
        if form.get("type") == "json_schema" and not NAME.match(form.get("name", "")):
            return "Invalid 'text.format.name'."
        items = _items(body)
        if bad := [part["type"] for item in items for part in _parts(item) if not _is_part(part, item["role"])]:
            return f"Invalid value: {bad[0]!r} in 'input[0].content[0]'."
        called = [item["call_id"] for item in items if item.get("type") == "function_call"]
        answered = [item["call_id"] for item in items if item.get("type") == "function_call_output"]
        if lacking := [call for call in called if call not in answered]:
            return f"No tool output found for function call {lacking[0]}."
        strangers = [call for call in answered if call not in called]
        return f"No tool call found for function call output with call_id {strangers[0]}." if strangers else ""

    def thought(self, body: dict[str, Any]) -> Step:
        """The offline model's answer."""
        return thought(think(as_chat(body)))

    def whole(self, step: Step, seen: Seen) -> Any:
        """A response."""
        return _response(step, seen.body, _output(step))

    def events(self, step: Step, seen: Seen) -> list[bytes]:
        """Its events."""
        if step.raw:
            return [_event(json.loads(raw)) for raw in step.raw]
        if step.fault == "empty":
            return []
        return [_event({**event, "sequence_number": at}) for at, event in enumerate(stream(step, seen.body))]

    def odd(self, step: Step, seen: Seen) -> bytes:  # noqa: ARG002
        """One event with a fault."""
        if step.fault == "nonsense":
            return b"event: response.created\ndata: {nonsense\n\n"
        if step.fault == "error":
            return _event({"type": "error", "code": "server_error", "message": "the engine fell over", "param": None})
        return _event(_delta("drip "))


def stream(step: Step, body: dict[str, Any]) -> Iterator[Item]:
    """An answer as events: the thoughts, the text word by word, the calls in pieces, and the whole of it."""
    yield {"type": "response.created", "response": _response(step, body, [], status="in_progress")}
    if step.fault == "strange":
        yield {"type": "response.weather_report", "sky": "blue"}
        yield {"type": "response.output_item.added", "output_index": 9, "item": {"type": "hologram", "id": "h"}}
    for at, item in enumerate(_output(step)):
        empty: Item = {**item, "status": "in_progress"}
        if item["type"] == "message":
            yield {"type": "response.output_item.added", "output_index": at, "item": {**empty, "content": []}}
            part: Item = {"type": "output_text", "text": "", "annotations": []}
            yield {"type": "response.content_part.added", **_PLACE, "output_index": at, "part": part}
            for word in re.findall(r"\S+\s*|\s+", step.text):
                yield {**_delta(word), "output_index": at}
            yield {"type": "response.output_text.done", **_PLACE, "output_index": at, "text": step.text, "logprobs": []}
        elif item["type"] == "function_call":
            yield {"type": "response.output_item.added", "output_index": at, "item": {**empty, "arguments": ""}}
            half = len(item["arguments"]) // 2
            where = {"item_id": item["id"], "output_index": at}
            for piece in (item["arguments"][:half], item["arguments"][half:]):
                yield {"type": "response.function_call_arguments.delta", **where, "delta": piece}
            done = {"arguments": item["arguments"], "name": item["name"]}
            yield {"type": "response.function_call_arguments.done", **where, **done}
        else:
            yield {"type": "response.output_item.added", "output_index": at, "item": item}
        yield {"type": "response.output_item.done", "output_index": at, "item": item}
    kind = "response.incomplete" if step.finish else "response.completed"
    yield {"type": kind, "response": _response(step, body, _output(step))}


def as_chat(body: dict[str, Any]) -> dict[str, Any]:
    """The same request in the words of a chat completion, for the brain."""
    messages: list[Item] = []
    if body.get("instructions"):
        messages.append({"role": "system", "content": body["instructions"]})
    for item in _items(body):
        if item.get("type") == "function_call":
            call = {"id": item["call_id"], "function": {"name": item["name"], "arguments": item["arguments"]}}
            messages.append({"role": "assistant", "content": "", "tool_calls": [call]})
        elif item.get("type") == "function_call_output":
            messages.append({"role": "tool", "tool_call_id": item["call_id"], "content": item["output"]})
        else:
            messages.append({"role": item["role"], "content": item["content"]})
    return {
        "model": body["model"],
        "messages": messages,
        "tools": [{"function": each} for each in body.get("tools", ())],
    }


_PLACE = {"item_id": "msg_1", "content_index": 0}


def _delta(word: str) -> Item:
    return {"type": "response.output_text.delta", **_PLACE, "output_index": 0, "delta": word, "logprobs": []}


def _items(body: dict[str, Any]) -> list[Item]:
    given: str | list[Item] = body["input"]
    return [{"role": "user", "content": given}] if isinstance(given, str) else given


def _parts(item: Item) -> list[Item]:
    content: str | list[Item] = item.get("content") or ""
    return [] if isinstance(content, str) else content


def _is_part(part: Item, role: str) -> bool:
    if part["type"] == "input_image":
        return bool(IMAGE.match(part["image_url"]))
    if part["type"] == "input_file":
        return part["file_data"].startswith("data:application/pdf;base64,") and bool(part["filename"])
    return part["type"] == ("output_text" if role == "assistant" else "input_text")


def _output(step: Step) -> list[Item]:
    made: list[Item] = [{"type": "reasoning", "id": "rs_1", "summary": []}] if step.reasoning else []
    if step.text:
        content: list[Item] = [{"type": "output_text", "text": step.text, "annotations": [], "logprobs": []}]
        made.append({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content})
    made += [
        {
            "type": "function_call",
            "id": f"fc_{index}",
            "call_id": f"call_{index}",
            "name": name,
            "arguments": arguments,
            "status": "completed",
        }
        for index, (name, arguments) in enumerate(step.calls)
    ]
    return made


def _response(step: Step, body: dict[str, Any], output: list[Item], *, status: str = "") -> Item:
    ended = not status
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": status or ("incomplete" if step.finish else "completed"),
        "error": None,
        "incomplete_details": {"reason": step.finish} if step.finish and ended else None,
        "instructions": None,
        "model": body["model"],
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": _usage(step, body) if ended else None,
    }


def _usage(step: Step, body: dict[str, Any]) -> Item:
    words = sum(len(json.dumps(item).split()) for item in _items(body)) + step.cached
    output = len(step.text.split()) + sum(len(arguments) for _, arguments in step.calls) + step.reasoning
    return {
        "input_tokens": words,
        "input_tokens_details": {"cached_tokens": step.cached, "cache_write_tokens": step.written},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": step.reasoning},
        "total_tokens": words + output,
    }


def _event(event: Any) -> bytes:
    kind = event.get("type", "response.created") if isinstance(event, dict) else "response.created"  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return f"event: {kind}\ndata: {json.dumps(event)}\n\n".encode()


if __name__ == "__main__":
    main(ResponsesServer)

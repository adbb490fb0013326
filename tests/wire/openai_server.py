"""A server that speaks OpenAI's chat completions as far as agents use them, and fails in every way that was met.

It refuses a bad key, bad tool names, tool results without their calls, and open calls. As a program:
`python -m tests.wire.openai_server --port 0 --script steps.json`; see `provider`.
"""

import json
import re
from typing import Any

from tests.wire.brain import think
from tests.wire.provider import Exchange, Provider, main
from tests.wire.script import Seen, Step, breaks, calls, fails, says, thought

__all__ = ["OpenAIServer", "Seen", "Step", "breaks", "calls", "fails", "says"]

IMAGE = re.compile(r"^data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+$")
NAME = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")


class OpenAIServer(Provider):
    """A fake OpenAI server."""

    base = "/v1"

    async def elsewhere(self, exchange: Exchange) -> bool:
        """The list of models, and what is not there."""
        if exchange.method == "GET" and exchange.path.endswith("/models"):
            await exchange.answer(200, {"object": "list", "data": [{"id": "fake", "object": "model"}]})
        elif not exchange.path.endswith("/chat/completions"):
            await exchange.answer(404, _error(f"no {exchange.path}", "invalid_request_error", None))
        else:
            return False
        return True

    def refusal(self, seen: Seen) -> tuple[int, Any] | None:
        """A bad key, or what `wrong` finds."""
        given = seen.headers.get("authorization", "")
        if self.key and given != f"Bearer {self.key}":
            said = f"Incorrect API key provided: {given.removeprefix('Bearer ')}."
            return 401, _error(said, "invalid_request_error", "invalid_api_key")
        problem = self.wrong(seen.body)
        return (400, _error(problem, "invalid_request_error", None)) if problem else None

    def wrong(self, body: dict[str, Any]) -> str:
        """What is refused in a request; empty when it is fine."""
        return wrong(body)

    def streams(self, seen: Seen) -> bool:
        """As the body says."""
        return bool(seen.body.get("stream"))

    def thought(self, body: dict[str, Any]) -> Step:
        """The offline model's answer."""
        return thought(think(body))

    def failure(self, status: int, message: str, code: str | None) -> Any:
        """An error."""
        return _error(message, "server_error" if status >= 500 else "error", code)

    def whole(self, step: Step, seen: Seen) -> Any:
        """A completion."""
        return completion(step, seen.body)

    def events(self, step: Step, seen: Seen) -> list[bytes]:
        """Its chunks."""
        if step.raw:
            return [_event(raw) for raw in step.raw]
        made = [_chunk(seen.body, [])] if step.fault == "empty" else chunks(step, seen.body)
        return [*(_event(json.dumps(chunk)) for chunk in made), _event("[DONE]")]

    def odd(self, step: Step, seen: Seen) -> bytes:
        """One chunk with a fault."""
        if step.fault == "nonsense":
            return _event("{nonsense")
        if step.fault == "error":
            return _event(json.dumps(_error("the engine fell over", "server_error", None)))
        return _event(json.dumps(_chunk(seen.body, [_delta({"content": "drip "})])))


def wrong(body: dict[str, Any]) -> str:
    """What a real server would refuse in a request; empty when it is fine."""
    names = [tool["function"]["name"] for tool in body.get("tools", ())]
    if bad := [name for name in names if not NAME.match(name)]:
        return f"Invalid 'tools[0].function.name': {bad[0]!r} does not match '{NAME.pattern}'."
    waiting: list[str] = []
    for message in body["messages"]:
        if bad := [part["type"] for part in _parts(message) if not _is_part(part)]:
            return f"Invalid value: {bad[0]!r} in 'messages[1].content[0].type'."
        if message["role"] == "tool":
            if message.get("tool_call_id") not in waiting:
                return "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
            waiting.remove(message["tool_call_id"])
        elif waiting:
            return f"An assistant message with 'tool_calls' must be followed by tool messages; missing: {waiting}"
        waiting += [call["id"] for call in message.get("tool_calls") or ()]
    form: dict[str, Any] = body.get("response_format") or {}
    if form.get("type") == "json_schema" and not NAME.match(form["json_schema"].get("name", "")):
        return "Invalid 'response_format.json_schema.name'."
    return "missing tool messages" if waiting else ""


def _parts(message: dict[str, Any]) -> list[dict[str, Any]]:
    content: str | list[dict[str, Any]] = message.get("content") or ""
    return [] if isinstance(content, str) else content


def _is_part(part: dict[str, Any]) -> bool:
    """Whether it is text, an image, a sound or a file, each in this API's form."""
    if part["type"] == "image_url":
        return bool(IMAGE.match(part["image_url"]["url"]))
    if part["type"] == "input_audio":
        return part["input_audio"]["format"] in {"wav", "mp3"} and bool(part["input_audio"]["data"])
    if part["type"] == "file":
        return part["file"]["file_data"].startswith("data:application/pdf;base64,") and bool(part["file"]["filename"])
    return part["type"] == "text" and bool(part["text"])


def completion(step: Step, body: dict[str, Any]) -> dict[str, Any]:
    """A whole answer, without streaming."""
    message: dict[str, Any] = {"role": "assistant", "content": step.text or None}
    if step.calls:
        message["tool_calls"] = _tool_calls(step, len(body["messages"]))
    choice = {"index": 0, "message": message, "finish_reason": _finish(step), "logprobs": None}
    choices = [] if step.fault == "empty" else [choice]
    return {**_chunk(body, choices), "object": "chat.completion", "usage": _usage(step, body)}


def chunks(step: Step, body: dict[str, Any]) -> list[dict[str, Any]]:
    """An answer as a stream: the role, the text word by word, the calls in pieces, the end, the usage."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": word} for word in re.findall(r"\S+\s*|\s+", step.text)]
    for index, call in enumerate(_tool_calls(step, len(body["messages"]))):
        arguments = call["function"]["arguments"]
        half = len(arguments) // 2
        first = {**call, "index": index, "function": {**call["function"], "arguments": arguments[:half]}}
        deltas += [
            {"tool_calls": [first]},
            {"tool_calls": [{"index": index, "function": {"arguments": arguments[half:]}}]},
        ]
    made = [_chunk(body, [_delta(delta)]) for delta in deltas]
    made.append(_chunk(body, [{"index": 0, "delta": {}, "finish_reason": _finish(step)}]))
    options: dict[str, Any] = body.get("stream_options") or {}
    if options.get("include_usage"):
        made.append({**_chunk(body, []), "usage": _usage(step, body)})
    return made


def _tool_calls(step: Step, turn: int) -> list[dict[str, Any]]:
    return [
        {"id": f"call_{turn}_{index}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for index, (name, arguments) in enumerate(step.calls)
    ]


def _chunk(body: dict[str, Any], choices: list[dict[str, Any]]) -> dict[str, Any]:
    kind = "chat.completion.chunk"
    return {"id": "chatcmpl-1", "object": kind, "created": 1_700_000_000, "model": body["model"], "choices": choices}


def _delta(delta: dict[str, Any]) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": None}


def _finish(step: Step) -> str:
    return step.finish or ("tool_calls" if step.calls else "stop")


def _usage(step: Step, body: dict[str, Any]) -> dict[str, Any]:
    prompt = sum(len(str(message.get("content") or "").split()) for message in body["messages"]) + step.cached
    output = len(step.text.split()) + sum(len(arguments) for _, arguments in step.calls) + step.reasoning
    return {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": prompt + output,
        "prompt_tokens_details": {"cached_tokens": step.cached},
        "completion_tokens_details": {"reasoning_tokens": step.reasoning},
    }


def _error(message: str, kind: str, code: str | None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _event(data: str) -> bytes:
    return f"data: {data}\n\n".encode()


if __name__ == "__main__":
    main(OpenAIServer)

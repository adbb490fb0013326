"""A server that speaks OpenAI's chat completions as far as agents use them, and fails in every way that was met.

    async with OpenAIServer([says("hello"), fails(429, retry_after=1)]) as server:
        ...  # server.url, server.requests

Each request takes the next step of the script; when none is left, `brain` answers (by default the offline model). What
a real server refuses is refused here too: a bad key, bad tool names, tool results without their calls, open calls.

As a program: `python -m tests.wire.openai_server --port 0 --script steps.json` prints its URL and serves until it is
stopped; the script is a JSON list of steps ({"text": "hello"}, {"status": 429, "retry_after": 1}).
"""

import argparse
import asyncio
import json
import re
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from ripieno.domain.jsons import decode
from ripieno.domain.messages import Reply
from tests.wire.brain import think

_NAME = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")
_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}


@dataclass(frozen=True)
class Step:
    """What one request gets. Without `fault`, it is an answer (or, with `status`, an error) as it should be.

    `calls` are (wire name, arguments as raw text). Faults: `cut` breaks the connection in the middle of the answer,
    `stop` ends the answer in the middle but cleanly, `drip` goes on for ever with `pause` seconds between words, `hang`
    never answers, `nonsense` answers with no JSON, `empty` with no choices, `error` with an error inside the stream.
    """

    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    status: int = 200
    message: str = "refused"
    code: str | None = None
    retry_after: float | None = None
    fault: str = ""
    pause: float = 0.0
    cached: int = 0
    reasoning: int = 0


@dataclass(frozen=True)
class Seen:
    """A request as it came."""

    headers: dict[str, str]
    body: dict[str, Any]


def says(text: str, **more: Any) -> Step:
    """Answer with text."""
    return Step(text=text, **more)


def calls(*wishes: tuple[str, dict[str, Any] | str], **more: Any) -> Step:
    """Call tools, by their wire names; arguments given as text go out as they are."""
    raw = tuple((name, args if isinstance(args, str) else json.dumps(args)) for name, args in wishes)
    return Step(calls=raw, **more)


def fails(status: int, message: str = "refused", **more: Any) -> Step:
    """Answer with an error."""
    return Step(status=status, message=message, **more)


def breaks(fault: str, text: str = "one two three four five six", **more: Any) -> Step:
    """Answer with a fault; see `Step`."""
    return Step(text=text, fault=fault, **more)


@dataclass
class OpenAIServer:
    """The server. Leave `key` empty to accept any."""

    script: Iterable[Step] = ()
    brain: Callable[[dict[str, Any]], Reply] = think
    key: str = ""
    port: int = 0
    requests: list[Seen] = field(default_factory=list[Seen])

    async def __aenter__(self) -> Self:
        self._steps = deque(self.script)
        self._closing = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server = await asyncio.start_server(self._connection, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing.set()
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while not reader.at_eof():
                    await self._exchange(reader, writer)
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        raw = await reader.readexactly(int(headers.get("content-length", 0)))
        if method == "GET" and path.endswith("/models"):
            await self._json(writer, 200, {"object": "list", "data": [{"id": "fake", "object": "model"}]})
        elif not path.endswith("/chat/completions"):
            await self._json(writer, 404, _error(f"no {path}", "invalid_request_error", None))
        else:
            body = json.loads(raw)
            self.requests.append(Seen(headers, body))
            await self._complete(writer, headers, body)

    async def _complete(self, writer: asyncio.StreamWriter, headers: dict[str, str], body: dict[str, Any]) -> None:
        if self.key and headers.get("authorization") != f"Bearer {self.key}":
            said = f"Incorrect API key provided: {headers.get('authorization', '').removeprefix('Bearer ')}."
            await self._json(writer, 401, _error(said, "invalid_request_error", "invalid_api_key"))
            return
        if problem := wrong(body):
            await self._json(writer, 400, _error(problem, "invalid_request_error", None))
            return
        step = self._steps.popleft() if self._steps else _thought(self.brain(body))
        if step.fault == "hang":
            await self._closing.wait()
        elif step.status != 200:
            extra = {"retry-after": f"{step.retry_after:g}"} if step.retry_after is not None else {}
            await self._json(writer, step.status, _error(step.message, "error", step.code), extra)
        elif not body.get("stream"):
            await self._whole(writer, step, body)
        else:
            await self._stream(writer, step, body)

    async def _whole(self, writer: asyncio.StreamWriter, step: Step, body: dict[str, Any]) -> None:
        if step.fault == "cut":
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9999\r\n\r\n{")
            writer.transport.abort()
        elif step.fault == "nonsense":
            await self._send(writer, 200, b"{nonsense", {"content-type": "application/json"})
        else:
            await self._json(writer, 200, completion(step, body))

    async def _stream(self, writer: asyncio.StreamWriter, step: Step, body: dict[str, Any]) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        async for line in self._lines(step, body):
            data = f"data: {line}\n\n".encode()
            writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            await writer.drain()
        if step.fault == "cut":
            writer.close()
            await writer.wait_closed()
            raise ConnectionResetError
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    async def _lines(self, step: Step, body: dict[str, Any]) -> AsyncIterator[str]:
        if step.fault == "nonsense":
            yield "{nonsense"
        elif step.fault == "error":
            yield json.dumps(_error("the engine fell over", "server_error", None))
        elif step.fault == "empty":
            yield json.dumps(_chunk(body, []))
            yield "[DONE]"
        elif step.fault == "drip":
            while not self._closing.is_set():
                yield json.dumps(_chunk(body, [_delta({"content": "drip "})]))
                await asyncio.sleep(step.pause)
        else:
            pieces = [json.dumps(chunk) for chunk in chunks(step, body)]
            broken = step.fault in {"cut", "stop"}
            for piece in pieces[: len(pieces) // 2] if broken else [*pieces, "[DONE]"]:
                yield piece

    async def _json(
        self, writer: asyncio.StreamWriter, status: int, document: Any, extra: dict[str, str] | None = None
    ) -> None:
        await self._send(
            writer, status, json.dumps(document).encode(), {"content-type": "application/json", **(extra or {})}
        )

    async def _send(self, writer: asyncio.StreamWriter, status: int, body: bytes, headers: dict[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Error')}", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await writer.drain()


def wrong(body: dict[str, Any]) -> str:
    """What a real server would refuse in a request; empty when it is fine."""
    names = [tool["function"]["name"] for tool in body.get("tools", ())]
    if bad := [name for name in names if not _NAME.match(name)]:
        return f"Invalid 'tools[0].function.name': {bad[0]!r} does not match '{_NAME.pattern}'."
    waiting: list[str] = []
    for message in body["messages"]:
        if message["role"] == "tool":
            if message.get("tool_call_id") not in waiting:
                return "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
            waiting.remove(message["tool_call_id"])
        elif waiting:
            return f"An assistant message with 'tool_calls' must be followed by tool messages; missing: {waiting}"
        waiting += [call["id"] for call in message.get("tool_calls") or ()]
    form: dict[str, Any] = body.get("response_format") or {}
    if form.get("type") == "json_schema" and not _NAME.match(form["json_schema"].get("name", "")):
        return "Invalid 'response_format.json_schema.name'."
    return "missing tool messages" if waiting else ""


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
    return "tool_calls" if step.calls else "stop"


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


def _thought(reply: Reply) -> Step:
    raw = tuple((call.name.replace(".", "__"), json.dumps(call.arguments)) for call in reply.tool_calls)
    return Step(text=reply.text, calls=raw)


async def _serve(port: int, key: str, script: list[Step]) -> None:
    async with OpenAIServer(script, key=key, port=port) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description="A fake OpenAI server.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", default="")
    parser.add_argument("--script", type=Path, help="a JSON list of steps")
    given = parser.parse_args()
    raw: list[dict[str, Any]] = json.loads(given.script.read_text()) if given.script else []
    steps = [decode(Step, item) for item in raw]
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(given.port, given.key, steps))


if __name__ == "__main__":
    main()

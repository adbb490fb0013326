"""A server that speaks AWS Bedrock's Converse API as far as agents use it, and fails in every way that was met.

It refuses unsigned requests, bad tool names, empty text, turns that do not alternate, tool calls whose results do not
follow at once, results without their calls, tool blocks without a tool configuration, documents without text, and
formats with open objects. As a program: `python -m tests.wire.bedrock_server --port 0`; see `provider`.
"""

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any
from urllib.parse import unquote

from tests.wire.anthropic_server import closed, objects
from tests.wire.brain import think
from tests.wire.eventstream import event, exception
from tests.wire.provider import Exchange, Provider, main
from tests.wire.script import Seen, Step, thought

_NAME = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")
_PATH = re.compile(r"^/model/([^/]+)/(converse|converse-stream)$")
_SIGNED = re.compile(
    r"^AWS4-HMAC-SHA256 Credential=([^/]+)/\d{8}/[a-z0-9-]+/bedrock/aws4_request, "
    r"SignedHeaders=[a-z0-9;-]*host[a-z0-9;-]*, Signature=[0-9a-f]{64}$"
)
_KINDS = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
}

Block = dict[str, Any]


class BedrockServer(Provider):
    """A fake Bedrock endpoint. `key` is an API key, or the id of an access key."""

    streaming = "application/vnd.amazon.eventstream"

    async def elsewhere(self, exchange: Exchange) -> bool:
        """What is not there."""
        if _PATH.match(exchange.path):
            return False
        await exchange.answer(404, {"__type": "UnknownOperationException"})
        return True

    def refusal(self, seen: Seen) -> tuple[int, Any] | None:
        """A bad signature or key, or what `wrong` finds."""
        given = seen.headers.get("authorization", "")
        signed = _SIGNED.match(given)
        who = signed[1] if signed else given.removeprefix("Bearer ")
        if not who or (signed and "x-amz-date" not in seen.headers) or (self.key and who != self.key):
            return 403, self.failure(403, "The security token included in the request is invalid.", None)
        problem = wrong(seen.body)
        return (400, self.failure(400, problem, None)) if problem else None

    def streams(self, seen: Seen) -> bool:
        """As the path says."""
        return seen.path.endswith("-stream")

    def thought(self, body: dict[str, Any]) -> Step:
        """The offline model's answer."""
        return thought(think(as_chat(body)))

    def failure(self, status: int, message: str, code: str | None) -> Any:
        """An error; `code` is its type."""
        return {"__type": code or _KINDS.get(status, "InternalServerException"), "message": message}

    def whole(self, step: Step, seen: Seen) -> Any:
        """What Converse answers."""
        if step.fault == "empty":
            return {}
        content: list[Block] = [{"text": step.text}] if step.text else []
        content += [
            {"toolUse": {"toolUseId": f"tooluse_{index}", "name": name, "input": json.loads(arguments or "{}")}}
            for index, (name, arguments) in enumerate(step.calls)
        ]
        return {
            "output": {"message": {"role": "assistant", "content": content}},
            "stopReason": _reason(step),
            "usage": _usage(step, seen.body),
            "metrics": {"latencyMs": 1},
        }

    def events(self, step: Step, seen: Seen) -> list[bytes]:
        """The same as ConverseStream answers it."""
        if step.raw:
            return [event("contentBlockDelta", raw) for raw in step.raw]
        if step.fault == "empty":
            return []
        return [event(kind, document) for kind, document in stream(step, seen.body)]

    def odd(self, step: Step, seen: Seen) -> bytes:  # noqa: ARG002
        """One message with a fault."""
        if step.fault == "nonsense":
            return b"{nonsense, and long enough to be taken for the prelude of a message}"
        if step.fault == "error":
            return exception("internalServerException", {"message": "the engine fell over"})
        return event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "drip "}})


def wrong(body: dict[str, Any]) -> str:
    """What a real server would refuse in a request; empty when it is fine."""
    messages: list[Block] = body["messages"]
    tools = [tool["toolSpec"] for tool in body.get("toolConfig", {}).get("tools", ()) if "toolSpec" in tool]
    if bad := [tool["name"] for tool in tools if not _NAME.match(tool["name"])]:
        return f"Value {bad[0]!r} at 'toolConfig.tools.1.member.toolSpec.name' must satisfy '{_NAME.pattern}'"
    if not messages or messages[0]["role"] != "user":
        return "A conversation must start with a user message."
    if any(first["role"] == second["role"] for first, second in pairwise(messages)):
        return "A conversation must alternate between user and assistant roles."
    form = body.get("outputConfig", {}).get("textFormat", {}).get("structure", {}).get("jsonSchema")
    if form and not all(closed(each) for each in objects(json.loads(form["schema"]))):
        return "The schema in outputConfig: 'additionalProperties' must be false for every object."
    return _content(messages, has_tools=bool(tools))


def _content(messages: list[Block], *, has_tools: bool) -> str:
    waiting: set[str] = set()
    for at, message in enumerate(messages):
        blocks: list[Block] = message["content"]
        if any("text" in block and not block["text"].strip() for block in blocks):
            return f"The text field in the ContentBlock object at messages.{at} is blank."
        if any("document" in block for block in blocks) and not any("text" in block for block in blocks):
            return "A message with a document must have text too."
        if any(not _is_file(kind, block[kind]) for block in blocks for kind in ("image", "document") if kind in block):
            return f"The format or the source of a file at messages.{at} is not valid."
        if not has_tools and any(block.keys() & {"toolUse", "toolResult"} for block in blocks):
            return "The toolConfig field must be defined when using toolUse and toolResult content blocks."
        results = {block["toolResult"]["toolUseId"] for block in blocks if "toolResult" in block}
        if results != waiting:
            return f"messages.{at}: the toolResult blocks do not match the toolUse blocks of the previous turn."
        waiting = {block["toolUse"]["toolUseId"] for block in blocks if "toolUse" in block}
    return "Expected toolResult blocks for the last turn." if waiting else ""


def _is_file(kind: str, block: Block) -> bool:
    formats = {"image": {"png", "jpeg", "gif", "webp"}, "document": {"pdf", "csv", "doc", "docx", "html", "txt", "md"}}
    named = kind == "image" or bool(block.get("name"))
    return named and block["format"] in formats[kind] and bool(block["source"].get("bytes"))


def stream(step: Step, body: dict[str, Any]) -> Iterator[tuple[str, Block]]:
    """An answer as events: the text word by word, the calls in pieces, why it ended, and the usage after that."""
    yield "messageStart", {"role": "assistant"}
    if step.fault == "strange":
        yield "weatherReport", {"sky": "blue"}
        yield "contentBlockDelta", {"contentBlockIndex": 7, "delta": {"hologram": {"cells": [1]}}, "odd": 1}
    if step.text:
        for word in re.findall(r"\S+\s*|\s+", step.text):
            yield "contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": word}}
        yield "contentBlockStop", {"contentBlockIndex": 0}
    for index, (name, arguments) in enumerate(step.calls, 1):
        half = len(arguments) // 2
        start = {"toolUse": {"toolUseId": f"tooluse_{index - 1}", "name": name}}
        yield "contentBlockStart", {"contentBlockIndex": index, "start": start}
        for piece in (arguments[:half], arguments[half:]):
            yield "contentBlockDelta", {"contentBlockIndex": index, "delta": {"toolUse": {"input": piece}}}
        yield "contentBlockStop", {"contentBlockIndex": index}
    yield "messageStop", {"stopReason": _reason(step)}
    yield "metadata", {"usage": _usage(step, body), "metrics": {"latencyMs": 1}}


def as_chat(body: dict[str, Any]) -> dict[str, Any]:
    """The same request in the words of a chat completion, for the brain."""
    text = "\n\n".join(block["text"] for block in body.get("system", ()) if "text" in block)
    messages: list[Block] = [{"role": "system", "content": text}] if text else []
    for message in body["messages"]:
        messages += _chat(message["role"], message["content"])
    tools = [
        {
            "function": {
                "name": tool["name"],
                "description": tool["description"],
                "parameters": tool["inputSchema"]["json"],
            }
        }
        for tool in (each["toolSpec"] for each in body.get("toolConfig", {}).get("tools", ()) if "toolSpec" in each)
    ]
    return {"model": "bedrock", "messages": messages, "tools": tools}


def _chat(role: str, blocks: list[Block]) -> Iterator[Block]:
    texts = [block["text"] for block in blocks if "text" in block]
    if role == "assistant":
        made = [
            {"id": use["toolUseId"], "function": {"name": use["name"], "arguments": json.dumps(use["input"])}}
            for use in (block["toolUse"] for block in blocks if "toolUse" in block)
        ]
        yield {"role": role, "content": "".join(texts), "tool_calls": made}
        return
    for result in (block["toolResult"] for block in blocks if "toolResult" in block):
        content = "".join(each.get("text", "") for each in result["content"])
        yield {"role": "tool", "tool_call_id": result["toolUseId"], "content": content}
    yield from ({"role": "user", "content": text} for text in texts)


def model(seen: Seen) -> str:
    """Which model a request is for."""
    named = _PATH.match(seen.path)
    return unquote(named[1]) if named else ""


def _reason(step: Step) -> str:
    return step.finish or ("tool_use" if step.calls else "end_turn")


def _usage(step: Step, body: dict[str, Any]) -> Block:
    blocks = [block for message in body["messages"] for block in message["content"]]
    words = sum(len(str(block.get("text", "")).split()) for block in blocks)
    output = len(step.text.split()) + sum(len(arguments) for _, arguments in step.calls)
    return {
        "inputTokens": words,
        "outputTokens": output,
        "totalTokens": words + output + step.cached + step.written,
        "cacheReadInputTokens": step.cached,
        "cacheWriteInputTokens": step.written,
    }


if __name__ == "__main__":
    main(BedrockServer)

"""The fakes that `providers` asks, and each provider's own SDK as somebody would use it without Ripieno."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import anthropic
import boto3
import httpx2
import openai
from botocore.config import Config

from bench.programs import ROOT, BenchFailed

ANSWER = "It is up and answers in one millisecond, as it did each time before when it was asked the same."
INSTRUCTIONS = "You look after servers. Be brief."
SAID = "Is web-17 up? Say how long it takes to answer, and whether that is more than it was an hour ago. " * 2
STEPS = 20_000
"""Lines of a server's script: more calls than are made."""

SERVERS = {
    "anthropic": "anthropic_server",
    "openai": "openai_server",
    "bedrock": "bedrock_server",
    "ollama": "ollama_server",
}
MODELS = {
    "anthropic": "claude-sonnet-4-6",
    "openai": "gpt-4o-mini",
    "bedrock": "us.amazon.nova-lite-v1:0",
    "ollama": "qwen3",
}
KEY_ID, SECRET, REGION = "AKIDEXAMPLE", "none-of-your-business", "us-east-1"
CREDENTIALS = {
    "bedrock.access_key_id": KEY_ID,
    "bedrock.secret_access_key": SECRET,
    "bedrock.region": REGION,
    "anthropic.api_key": "none",
    "openai.api_key": "none",
}

Turn: TypeAlias = str
"""What is said: by the user first, then in turns."""


def conversation(length: int) -> list[Turn]:
    """So many messages, with the instructions as one of them; the last is the user's."""
    return [f"{at}: {SAID}" for at in range(length - 1)]


@asynccontextmanager
async def served(name: str, folder: Path) -> AsyncGenerator[str]:
    """The base URL of a fake server in a process of its own."""
    script = folder / "script.json"
    script.write_text(json.dumps([{"text": ANSWER}] * STEPS))
    words = [sys.executable, "-m", f"tests.wire.{SERVERS[name]}", "--port", "0", "--script", str(script)]
    process = await asyncio.create_subprocess_exec(*words, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        url = (await process.stdout.readline()).decode().strip()
        if not url:
            raise BenchFailed(f"the fake of {name} did not start")
        yield url
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def asker(name: str, url: str) -> AsyncGenerator[Callable[[Sequence[Turn]], Awaitable[str]]]:
    """Somebody who asks by the SDK."""
    async with httpx2.AsyncClient(trust_env=False) as client:
        if name == "anthropic":
            yield _Anthropic(url, client).ask
        elif name == "bedrock":
            yield _Bedrock(url).ask
        else:
            yield _OpenAI(name, url if name == "openai" else f"{url}/v1", client).ask


class _OpenAI:
    def __init__(self, name: str, url: str, client: httpx2.AsyncClient) -> None:
        self._model = MODELS[name]
        self._sdk = openai.AsyncOpenAI(api_key="none", base_url=url, http_client=client, max_retries=0)

    async def ask(self, turns: Sequence[Turn]) -> str:
        """The text of a streamed answer."""
        told: Any = [{"role": "system", "content": INSTRUCTIONS}, *_spoken(turns)]
        stream = await self._sdk.chat.completions.create(model=self._model, messages=told, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])


class _Anthropic:
    def __init__(self, url: str, client: httpx2.AsyncClient) -> None:
        sdk = anthropic.AsyncAnthropic(api_key="none", base_url=url, http_client=client, max_retries=0)
        self._messages: Any = sdk.messages

    async def ask(self, turns: Sequence[Turn]) -> str:
        """The text of a streamed answer."""
        text = ""
        asked: dict[str, Any] = {"model": MODELS["anthropic"], "max_tokens": 4096, "system": INSTRUCTIONS}
        stream: Any = await self._messages.create(**asked, messages=_spoken(turns), stream=True)
        async for event in stream:
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                text += event.delta.text
        return text


class _Bedrock:
    def __init__(self, url: str) -> None:
        library: Any = boto3
        keys = {"aws_access_key_id": KEY_ID, "aws_secret_access_key": SECRET, "region_name": REGION}
        config = Config(retries={"total_max_attempts": 1})
        self._client: Any = library.client("bedrock-runtime", endpoint_url=url, config=config, **keys)

    async def ask(self, turns: Sequence[Turn]) -> str:
        """The text of a streamed answer; the library blocks, so it is asked in a thread."""
        return await asyncio.to_thread(
            self._ask, [{"role": each["role"], "content": [{"text": each["content"]}]} for each in _spoken(turns)]
        )

    def _ask(self, messages: list[Any]) -> str:
        system = [{"text": INSTRUCTIONS}]
        answer = self._client.converse_stream(modelId=MODELS["bedrock"], messages=messages, system=system)
        deltas = (event["contentBlockDelta"]["delta"] for event in answer["stream"] if "contentBlockDelta" in event)
        return "".join(delta["text"] for delta in deltas)


def _spoken(turns: Sequence[Turn]) -> list[dict[str, str]]:
    return [{"role": "assistant" if at % 2 else "user", "content": text} for at, text in enumerate(turns)]

"""MCP servers over streamable HTTP and over the transport of 2024: calls, questions, tokens, deaths and returns."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ripieno.clock import SystemClock
from ripieno.domain import inputs
from ripieno.domain.effects import EffectClass
from ripieno.domain.principals import Principal
from ripieno.domain.tools import ToolCall, ToolContext, ToolResult, ToolStatus
from ripieno.testing.memory_secrets import MemorySecrets
from ripieno.tools.mcp.config import ServerConfig
from ripieno.tools.mcp.connection import Means
from ripieno.tools.mcp.toolset import McpToolset

pytestmark = pytest.mark.acceptance

SERVER = Path(__file__).parents[1] / "servers" / "asking_mcp.py"
CONTEXT = ToolContext("acme", Path("/workspace"), idempotency_key="key-1")
PATHS = {"http": "/mcp", "sse": "/sse"}
BOTH = pytest.mark.parametrize("transport", ["http", "sse"])


@dataclass
class Remote:
    """A server as a process of its own."""

    transport: str
    file: Path
    environment: dict[str, str]
    port: int = 0
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, after the first time on the same port."""
        variables = {**os.environ, "ASKING_FILE": str(self.file), **self.environment}
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(SERVER),
            self.transport,
            str(self.port),
            env=variables,
            stdout=asyncio.subprocess.PIPE,
        )
        assert self.process.stdout is not None
        self.port = int(await self.process.stdout.readline())

    async def kill(self) -> None:
        """End it at once."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    @property
    def lines(self) -> list[str]:
        return self.file.read_text().splitlines() if self.file.exists() else []

    def config(self, **settings: Any) -> ServerConfig:
        url = f"http://127.0.0.1:{self.port}{PATHS[self.transport]}"
        fields = {"name": "shop", "transport": self.transport, "url": url, "timeout": 10, **settings}
        return ServerConfig.model_validate(fields)


@asynccontextmanager
async def remote(folder: Path, transport: str, **environment: str) -> AsyncGenerator[Remote]:
    server = Remote(transport, folder / "lines", environment)
    await server.start()
    try:
        yield server
    finally:
        await server.kill()


@asynccontextmanager
async def connected(server: Remote, means: Means | None = None, **settings: Any) -> AsyncGenerator[McpToolset]:
    async with McpToolset(server.config(**settings), SystemClock(), means or Means()) as tools:
        await tools.list(CONTEXT)
        yield tools


async def call(tools: McpToolset, tool: str, answers: dict[str, Any] | None = None, **arguments: Any) -> ToolResult:
    context = ToolContext("acme", Path("/workspace"), idempotency_key="key-1", answers=answers or {})
    return await tools.call(ToolCall("1", f"shop.{tool}", arguments), context)


async def until_ok(tools: McpToolset) -> None:
    async with asyncio.timeout(30):
        while not (await call(tools, "count")).ok:
            await asyncio.sleep(0.01)


@BOTH
@pytest.mark.parametrize(("protocol", "revision"), [("auto", "2026-07-28"), ("handshake", "2025-11-25")])
async def test_tools_are_listed_and_called(tmp_path: Path, transport: str, protocol: str, revision: str):
    async with remote(tmp_path, transport) as server, connected(server, protocol=protocol) as tools:
        assert (await call(tools, "count")).text == "counted"
        assert len((await call(tools, "huge", size=3_000_000)).text) == 3_000_000
        health = tools.connection.health()
    assert (health.state, health.calls, health.failures) == ("ready", 2, 0)
    assert (health.revision, health.server) == (revision, "asking")


@BOTH
@pytest.mark.parametrize(("protocol", "tool"), [("auto", "order"), ("handshake", "order"), ("handshake", "order_live")])
async def test_questions_end_the_attempt_and_are_answered_in_the_next(
    tmp_path: Path, transport: str, protocol: str, tool: str
):
    async with remote(tmp_path, transport) as server, connected(server, protocol=protocol) as tools:
        asked = await call(tools, tool)
        assert asked.status is ToolStatus.INPUT_REQUIRED
        (question,) = inputs.questions(asked)
        assert question.message == "Which size?"
        assert question.schema is not None
        assert question.schema["properties"]["size"]["type"] == "integer"
        answered = await call(tools, tool, {question.digest: inputs.said({"size": 4})})
        assert answered == ToolResult(ToolStatus.OK, "ordered size 4", data=answered.data)
        declined = await call(tools, tool, {question.digest: inputs.said(None)})
        assert "ordered size" not in declined.text
    assert server.lines.count("order 4") + server.lines.count("accept") == 1


async def test_a_server_that_asks_is_called_by_one_at_a_time(tmp_path: Path):
    async with remote(tmp_path, "sse") as server, connected(server, protocol="handshake") as tools:
        first = await asyncio.gather(*(call(tools, "order_live") for _ in range(3)))
        assert ToolStatus.INPUT_REQUIRED in {result.status for result in first}, first
        second = await asyncio.gather(*(call(tools, "order_live") for _ in range(3)))
    assert {result.status for result in second} == {ToolStatus.INPUT_REQUIRED}


@BOTH
async def test_progress_extends_the_time_and_is_seen(tmp_path: Path, transport: str):
    async with remote(tmp_path, transport) as server, connected(server, timeout=1, longest=30) as tools:
        assert (await call(tools, "slow", steps=8)).text == "slept"
        assert "slow: 3 of 8 step 3" in [line.text for line in tools.connection.tail.lines]
        assert (await call(tools, "quiet", seconds=30)).status is ToolStatus.TIMEOUT


@BOTH
async def test_a_call_that_is_given_up_is_cancelled_at_the_server(tmp_path: Path, transport: str):
    async with remote(tmp_path, transport) as server, connected(server) as tools, asyncio.TaskGroup() as group:
        task = group.create_task(call(tools, "quiet", seconds=30))
        while "quiet" not in server.lines:
            await asyncio.sleep(0.01)
        task.cancel()
        while "cancelled" not in server.lines:
            await asyncio.sleep(0.01)
        assert (await call(tools, "count")).ok


@BOTH
async def test_a_server_that_comes_back_is_used_again(tmp_path: Path, transport: str):
    async with remote(tmp_path, transport) as server, connected(server) as tools:
        await server.kill()
        down = await call(tools, "count")
        assert down.status in {ToolStatus.UNAVAILABLE, ToolStatus.LOST}
        await server.start()
        tools.connection.reconnect()
        await until_ok(tools)
        assert tools.connection.health().connections == 2


@BOTH
@pytest.mark.parametrize("effect", [EffectClass.READ, EffectClass.IRREVERSIBLE])
async def test_a_server_that_dies_in_a_call(tmp_path: Path, transport: str, effect: EffectClass):
    async with remote(tmp_path, transport) as server, connected(server, effects={"die": effect}) as tools:
        result = await call(tools, "die")
        assert server.lines == ["die"]
    assert result.status is (ToolStatus.UNAVAILABLE if effect is EffectClass.READ else ToolStatus.LOST)


@BOTH
async def test_tokens_are_fetched_and_renewed(tmp_path: Path, transport: str):
    secrets = MemorySecrets(SystemClock())
    await secrets.put(Principal("alice", "acme"), "shop", "s3cret")
    async with remote(tmp_path, transport, TOKEN_USES="5") as server:
        auth = {
            "type": "client_credentials",
            "token_url": f"http://127.0.0.1:{server.port}/token",
            "client_id": "us",
            "client_secret": "secret://shop",
        }
        async with connected(server, Means(secrets, "acme"), auth=auth) as tools:
            for _ in range(10):
                assert (await call(tools, "count")).ok
        assert "token t2" in server.lines
        assert "stranger" not in server.lines


async def test_who_has_no_token_is_told_so(tmp_path: Path):
    async with remote(tmp_path, "http", TOKEN_USES="5") as server:
        auth = {"type": "bearer", "token": "wrong"}
        async with McpToolset(server.config(auth=auth, timeout=1), SystemClock()) as tools:
            result = await call(tools, "count")
    assert result.status is ToolStatus.UNAVAILABLE
    assert "refused our credentials (HTTP 401)" in result.text


async def test_a_missing_secret_is_named_and_no_other():
    secrets = MemorySecrets(SystemClock())
    config = ServerConfig.model_validate(
        {"name": "shop", "transport": "http", "url": "http://127.0.0.1:9", "headers": {"x-key": "secret://none"}}
    )
    async with McpToolset(config, SystemClock(), Means(secrets, "acme")) as tools:
        result = await call(tools, "count")
    assert result.status is ToolStatus.UNAVAILABLE
    assert "none" in result.text

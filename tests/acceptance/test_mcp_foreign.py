"""MCP servers that others wrote: the reference server over its three transports, and servers from PyPI."""

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ripieno.clock import SystemClock
from ripieno.domain import inputs
from ripieno.domain.effects import EffectClass
from ripieno.domain.tools import ToolCall, ToolContext, ToolResult, ToolStatus
from ripieno.tools.mcp.config import ServerConfig
from ripieno.tools.mcp.toolset import McpToolset
from tests.servers.npm_packages import npm_package
from tests.servers.python_programs import python_program

pytestmark = pytest.mark.acceptance

CONTEXT = ToolContext("acme", Path("/workspace"))
EVERYTHING, VERSION = "@modelcontextprotocol/server-everything", "2026.8.31"
TRANSPORTS = {"stdio": ("stdio", ""), "sse": ("sse", "/sse"), "http": ("streamableHttp", "/mcp")}


def everything(mode: str) -> list[str]:
    folder = npm_package(EVERYTHING, VERSION)
    return ["node", str(folder / "node_modules" / EVERYTHING / "dist" / "index.js"), mode]


class Everything:
    """The reference server as a process that listens."""

    def __init__(self, mode: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._command = everything(mode)
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        variables = {**os.environ, "PORT": str(self.port)}
        quiet = asyncio.subprocess.DEVNULL
        self._process = await asyncio.create_subprocess_exec(*self._command, env=variables, stdout=quiet, stderr=quiet)
        async with asyncio.timeout(60):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    await asyncio.sleep(0.02)
                else:
                    writer.close()
                    return

    async def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        await self._process.wait()


@asynccontextmanager
async def listening(transport: str, **settings: Any) -> AsyncGenerator[tuple[Everything | None, McpToolset]]:
    mode, path = TRANSPORTS[transport]
    if not path:
        command, *args = everything(mode)
        async with used({"command": command, "args": args, **settings}) as tools:
            yield None, tools
        return
    server = Everything(mode)
    await server.start()
    try:
        url = f"http://127.0.0.1:{server.port}{path}"
        async with used({"transport": transport, "url": url, **settings}) as tools:
            yield server, tools
    finally:
        await server.kill()


@asynccontextmanager
async def used(settings: dict[str, Any]) -> AsyncGenerator[McpToolset]:
    config = ServerConfig.model_validate({"name": "e", **settings})
    async with McpToolset(config, SystemClock()) as tools:
        await tools.list(CONTEXT)
        yield tools


async def call(tools: McpToolset, tool: str, answers: dict[str, Any] | None = None, **arguments: Any) -> ToolResult:
    context = ToolContext("acme", Path("/workspace"), answers=answers or {})
    return await tools.call(ToolCall("1", f"e.{tool}", arguments), context)


@pytest.mark.needs("node")
@pytest.mark.needs("npm")
@pytest.mark.parametrize("transport", list(TRANSPORTS))
async def test_the_reference_server(transport: str):
    async with listening(transport) as (_, tools):
        assert (await call(tools, "echo", message=" é\n日本 ")).text == "Echo:  é\n日本 "
        assert (await call(tools, "get-structured-content", location="New York")).data["conditions"]
        (image,) = (await call(tools, "get-tiny-image")).content
        assert (image.media_type, image.data[:4]) == ("image/png", b"\x89PNG")
        assert "[resource " in (await call(tools, "get-resource-links", count=2)).text
        assert (await call(tools, "trigger-long-running-operation", duration=1, steps=2)).ok
        assert "trigger-long-running-operation: 2 of 2" in [line.text for line in tools.connection.tail.lines]
        names = {spec.name for spec in await tools.list(CONTEXT)}
        assert "e.trigger-sampling-request" not in names
        asked = await call(tools, "trigger-elicitation-request")
        assert asked.status is ToolStatus.INPUT_REQUIRED
        (question,) = inputs.questions(asked)
        answered = await call(tools, "trigger-elicitation-request", {question.digest: inputs.said({"name": "Ada"})})
        assert "Ada" in answered.text
        declined = await call(tools, "trigger-elicitation-request", {question.digest: inputs.said(None)})
        assert "declined" in declined.text


@pytest.mark.needs("node")
@pytest.mark.needs("npm")
@pytest.mark.parametrize("transport", ["sse", "http"])
async def test_the_reference_server_dies_in_a_call_and_comes_back(transport: str):
    effects = {"trigger-long-running-operation": EffectClass.IRREVERSIBLE, "echo": EffectClass.READ}
    async with listening(transport, effects=effects) as (server, tools), asyncio.TaskGroup() as group:
        assert server is not None
        slow = group.create_task(call(tools, "trigger-long-running-operation", duration=60, steps=600))
        async with asyncio.timeout(30):
            while not any(line.source == "progress" for line in tools.connection.tail.lines):
                await asyncio.sleep(0.01)
        await server.kill()
        assert (await slow).status is ToolStatus.LOST
        assert (await call(tools, "echo", message="?")).status is ToolStatus.UNAVAILABLE
        await server.start()
        tools.connection.reconnect()
        async with asyncio.timeout(60):
            while not (await call(tools, "echo", message="?")).ok:
                await asyncio.sleep(0.01)


async def test_the_time_server():
    program = python_program("mcp-server-time", "2026.10.19")
    async with used({"command": program, "args": ["--local-timezone", "UTC"]}) as tools:
        there = await call(tools, "convert_time", source_timezone="UTC", time="12:00", target_timezone="Asia/Tokyo")
        assert "21:00" in there.text


@pytest.mark.needs("git")
async def test_the_git_server(tmp_path: Path):
    git = shutil.which("git") or "git"
    subprocess.run([git, "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "a.txt").write_text("hello\n")
    program = python_program("mcp-server-git", "2026.10.19")
    async with used({"command": program, "args": ["--repository", str(tmp_path)]}) as tools:
        assert "a.txt" in (await call(tools, "git_status", repo_path=str(tmp_path))).text
        assert not (await call(tools, "git_status", repo_path="/")).ok


async def test_the_fetch_server_which_cannot_reach_what_does_not_exist():
    program = python_program("mcp-server-fetch", "2026.10.24")
    async with used({"command": program, "args": ["--ignore-robots-txt"]}) as tools:
        assert not (await call(tools, "fetch", url="http://127.0.0.1:9/")).ok

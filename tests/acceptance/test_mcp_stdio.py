"""MCP servers as real processes: calls, crashes, hangs, garbage, and what is left behind."""

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ripieno.clock import SystemClock
from ripieno.domain.effects import EffectClass
from ripieno.domain.errors import ToolUnavailable
from ripieno.domain.tools import Risk, ToolCall, ToolContext, ToolResult, ToolStatus
from ripieno.tools.mcp.config import ServerConfig
from ripieno.tools.mcp.toolset import McpToolset
from ripieno.tools.timed import TimedToolset

pytestmark = pytest.mark.acceptance

SERVER = Path(__file__).parents[1] / "servers" / "counter_mcp.py"
CONTEXT = ToolContext("acme", Path("/workspace"), idempotency_key="key-1")


@dataclass
class Counter:
    """A running counter server and the file in which it leaves its traces."""

    tools: McpToolset
    file: Path

    async def call(self, tool: str, **arguments: Any) -> ToolResult:
        return await self.tools.call(ToolCall("1", f"counter.{tool}", arguments), CONTEXT)

    async def pid(self) -> int:
        return json.loads((await self.call("environment")).text)["pid"]

    @property
    def lines(self) -> list[str]:
        return self.file.read_text().splitlines() if self.file.exists() else []


@asynccontextmanager
async def counter(folder: Path, **settings: Any) -> AsyncGenerator[Counter]:
    file = folder / "count"
    config = _config([str(SERVER)], env={"COUNTER_FILE": str(file)}, **settings)
    async with McpToolset(config, SystemClock()) as tools:
        await tools.list(CONTEXT)
        yield Counter(tools, file)


def _config(args: list[str], env: Mapping[str, str] | None = None, **settings: Any) -> ServerConfig:
    return ServerConfig(name="counter", command=sys.executable, args=tuple(args), env=dict(env or {}), **settings)


async def gone(pid: int) -> None:
    """Wait until a process is no more."""
    while True:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        await asyncio.sleep(0.01)


async def test_tools_are_listed_with_the_effects_that_were_configured(tmp_path: Path):
    effects = {"increment": EffectClass.IDEMPOTENT}
    async with counter(tmp_path, effects=effects, risks={"slow": Risk.HIGH}, longest=70, timeout=7) as it:
        specs = {spec.name: spec for spec in await it.tools.list(CONTEXT)}
        assert await it.tools.list(CONTEXT) is await it.tools.list(CONTEXT)
    increment, get, slow = specs["counter.increment"], specs["counter.get"], specs["counter.slow"]
    assert (increment.effect, increment.description) == (EffectClass.IDEMPOTENT, "Add one line to the counter.")
    assert increment.input_schema["properties"]["by"]["default"] == 1
    assert "ctx" not in increment.input_schema["properties"]
    assert (get.effect, get.risk, get.source, get.timeout) == (EffectClass.IRREVERSIBLE, Risk.MEDIUM, "mcp:counter", 70)
    assert slow.risk is Risk.HIGH


async def test_hints_of_the_server_count_only_when_it_is_trusted(tmp_path: Path):
    async with counter(tmp_path, trust=True) as it:
        effects = {spec.name: spec.effect for spec in await it.tools.list(CONTEXT)}
    assert effects["counter.get"] is EffectClass.READ
    assert effects["counter.echo"] is EffectClass.IDEMPOTENT
    assert effects["counter.increment"] is EffectClass.IRREVERSIBLE


async def test_only_allowed_tools_are_taken_over(tmp_path: Path):
    async with counter(tmp_path, allow=("get", "inc*")) as it:
        assert [spec.name for spec in await it.tools.list(CONTEXT)] == ["counter.increment", "counter.get"]
        assert (await it.call("crash")).status is ToolStatus.UNKNOWN_TOOL
    assert it.lines == []


async def test_calls_reach_the_server_with_their_idempotency_key(tmp_path: Path):
    async with counter(tmp_path) as it:
        assert (await it.call("increment", by=3)).text == "count 1"
        assert (await it.call("get")).text == "1"
    assert it.lines == ["increment 3 key-1"]


async def test_text_comes_back_byte_for_byte(tmp_path: Path):
    async with counter(tmp_path) as it:
        for words in ("plain", " \n tabs\tand\r\nlines\n", "é日本 \u2028 \U0001f3bb", '{"json": true}', ""):
            assert await it.call("echo", text=words) == ToolResult(ToolStatus.OK, words)


async def test_tools_with_names_that_models_cannot_use_are_left_out(tmp_path: Path):
    async with counter(tmp_path) as it:
        names = {spec.name for spec in await it.tools.list(CONTEXT)}
    assert "counter.get" in names
    assert not [name for name in names if "/" in name]


async def test_tool_that_the_server_no_longer_knows_is_an_error(tmp_path: Path):
    async with counter(tmp_path) as it:
        result = await it.tools.connection.call("vanished", {}, CONTEXT, wait=1)
        assert result.status is ToolStatus.ERROR
        assert "vanished" in result.text


async def test_structured_results_keep_their_data(tmp_path: Path):
    async with counter(tmp_path) as it:
        assert (await it.call("add", a=1, b=2)).data == {"total": 3}


async def test_what_is_no_text_comes_as_files(tmp_path: Path):
    async with counter(tmp_path) as it:
        result = await it.call("binary")
    assert [(blob.media_type, len(blob.data)) for blob in result.content] == [("image/png", 8), ("application/x-b", 3)]
    assert (
        result.text == "[audio, audio/wav: 3 characters that are no base64]\ninside\n\n[resource link: file:///c.txt]"
    )


async def test_a_server_may_be_held_to_less_than_others(tmp_path: Path):
    async with counter(tmp_path, result_bytes=300) as it:
        result = await it.call("huge", size=1000)
    assert len(result.text.encode()) <= 300
    assert (result.truncated, result.total_bytes) == (True, 1000)
    assert [(blob.name, len(blob.data)) for blob in result.content] == [("result.txt", 1000)]


async def test_large_answers_come_through_whole(tmp_path: Path):
    async with counter(tmp_path) as it:
        assert len((await it.call("huge", size=5_000_000)).text) == 5_000_000


async def test_failing_tool_is_an_error(tmp_path: Path):
    async with counter(tmp_path) as it:
        assert (await it.call("fail")).status is ToolStatus.ERROR
        assert (await it.call("increment", by="x")).status is ToolStatus.ERROR
        assert (await it.call("get")).ok


async def test_calls_run_side_by_side(tmp_path: Path):
    async with counter(tmp_path) as it, asyncio.TaskGroup() as group:
        slow = group.create_task(it.call("slow", seconds=30))
        while "slow" not in it.lines:
            await asyncio.sleep(0.01)
        assert (await it.call("echo", text="meanwhile")).text == "meanwhile"
        assert not slow.done()
        slow.cancel()


async def test_server_that_dies_in_a_call_is_started_again(tmp_path: Path):
    async with counter(tmp_path) as it:
        first = await it.pid()
        async with asyncio.TaskGroup() as group:
            slow = group.create_task(it.call("slow", seconds=30))
            while "slow" not in it.lines:
                await asyncio.sleep(0.01)
            crash = group.create_task(it.call("crash"))
        for result in (slow.result(), crash.result()):
            assert result.status is ToolStatus.LOST
            assert "not known whether it took effect" in result.text
        current = asyncio.current_task()
        assert current is not None
        assert current.cancelling() == 0
        assert await it.pid() != first
        assert it.lines == ["slow", "crash"]


async def test_lost_reading_call_is_unavailable_and_may_be_repeated(tmp_path: Path):
    async with counter(tmp_path, effects={"slow": EffectClass.READ}) as it, asyncio.TaskGroup() as group:
        slow = group.create_task(it.call("slow", seconds=30))
        while "slow" not in it.lines:
            await asyncio.sleep(0.01)
        await it.call("crash")
        assert (await slow).status is ToolStatus.UNAVAILABLE


async def test_killed_server_is_started_again_and_its_tools_stay_listed(tmp_path: Path):
    async with counter(tmp_path) as it:
        pid = await it.pid()
        os.kill(pid, signal.SIGKILL)
        await gone(pid)
        assert len(await it.tools.list(CONTEXT)) > 5
        while not (await it.call("get")).ok:
            await asyncio.sleep(0.01)


async def test_frozen_server_is_found_out_and_replaced(tmp_path: Path):
    async with counter(tmp_path, timeout=1, probe_timeout=0.2) as it:
        pid = await it.pid()
        timed = TimedToolset(it.tools, SystemClock())
        result = await timed.call(ToolCall("1", "counter.freeze"), CONTEXT)
        assert result.status is ToolStatus.TIMEOUT
        await gone(pid)
        while not (answer := await it.call("get")).ok:
            assert answer.status is ToolStatus.UNAVAILABLE
        assert it.lines == ["freeze"]


async def test_new_tools_are_picked_up(tmp_path: Path):
    async with counter(tmp_path) as it:
        before = await it.tools.list(CONTEXT)
        await it.call("grow")
        while (after := await it.tools.list(CONTEXT)) is before:
            await asyncio.sleep(0.01)
        assert {spec.name for spec in after} - {spec.name for spec in before} == {"counter.extra"}
        assert (await it.call("extra")).text == "extra"


async def test_server_has_a_clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("RIPIENO_AUTH__ADMIN_KEY", "secret")
    async with counter(tmp_path) as it:
        shown = json.loads((await it.call("environment")).text)
    assert "PATH" in shown["environment"]
    assert "secret" not in json.dumps(shown["environment"])


async def test_server_ends_when_the_toolset_is_left(tmp_path: Path):
    async with counter(tmp_path) as it:
        pid = await it.pid()
    await gone(pid)


async def test_server_dies_with_a_killed_parent(tmp_path: Path):
    """Even one that ignores the end of its input and SIGTERM."""
    script = tmp_path / "stubborn.py"
    script.write_text(
        "import os, pathlib, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))\n"
        "time.sleep(600)\n"
    )
    parent = (
        "import asyncio\nfrom ripieno.tools.mcp import config, process\n"
        "async def main():\n"
        f"    await process.start(config.ServerConfig(name='x', command={sys.executable!r}, args=({str(script)!r},)))\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    running = await asyncio.create_subprocess_exec(sys.executable, "-c", parent)
    file = tmp_path / "pid"
    while not (file.exists() and file.read_text()):
        await asyncio.sleep(0.01)
    running.kill()
    await running.wait()
    await gone(int(file.read_text()))


async def unavailable(config: ServerConfig) -> str:
    """Why a server cannot be used, as its listing and a call tell it."""
    async with McpToolset(config, SystemClock()) as tools:
        with pytest.raises(ToolUnavailable) as caught:
            await tools.list(CONTEXT)
        result = await tools.call(ToolCall("1", "counter.get"), CONTEXT)
    assert result.status is ToolStatus.UNAVAILABLE
    return caught.value.detail


async def test_missing_program():
    config = ServerConfig(name="counter", command="no-such-mcp-server", timeout=0.2)
    assert "there is no program no-such-mcp-server" in await unavailable(config)


async def test_server_that_ends_at_once():
    assert "it ended" in await unavailable(_config(["-c", "import sys; sys.exit('bad flag')"], timeout=0.2))


async def test_server_that_never_answers():
    config = _config(["-c", "import sys; sys.stdin.read()"], timeout=0.2, connect_timeout=0.5)
    assert "did not answer within 0.5 s" in await unavailable(config)


@pytest.mark.parametrize(
    ("garbage", "reason"),
    [
        ("print('hello')", "did not answer within"),
        ("sys.stdout.buffer.write(b'\\xff\\x00{]\\n')", "did not answer within"),
        ("print('x' * 1_000_000, end='')", "more than 33554432 bytes"),
        ('print(\'{"jsonrpc": "2.0", "id": 1, "result": 3}\')', ""),
    ],
)
async def test_server_that_talks_garbage(garbage: str, reason: str):
    program = f"import sys\nwhile True:\n    {garbage}"
    assert reason in await unavailable(_config(["-c", program], timeout=0.2, connect_timeout=3))


async def test_garbage_between_messages_does_no_harm(tmp_path: Path):
    wrapper = f"print('starting up...', flush=True)\nimport runpy\nrunpy.run_path({str(SERVER)!r}, run_name='__main__')"
    config = _config(["-c", wrapper], env={"COUNTER_FILE": str(tmp_path / "count")})
    async with McpToolset(config, SystemClock()) as tools:
        await tools.list(CONTEXT)
        assert (await tools.call(ToolCall("1", "counter.get"), CONTEXT)).text == "0"


async def test_errors_in_the_body_pass_as_they_are(tmp_path: Path):
    with pytest.raises(ZeroDivisionError):
        async with counter(tmp_path):
            raise ZeroDivisionError


@pytest.mark.skipif(shutil.which("mcp-server-time") is None, reason="mcp-server-time is not installed")
async def test_foreign_time_server():
    config = ServerConfig(name="time", command="mcp-server-time", args=("--local-timezone", "UTC"))
    async with McpToolset(config, SystemClock()) as tools:
        assert "time.get_current_time" in {spec.name for spec in await tools.list(CONTEXT)}
        arguments = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}
        result = await tools.call(ToolCall("1", "time.convert_time", arguments), CONTEXT)
    assert result.ok
    assert "21:00" in result.text

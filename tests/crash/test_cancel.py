"""A run is cancelled in the middle of a call: what came of the call is written down, and nothing of it is left."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from ripieno import bootstrap
from ripieno.bootstrap import Platform
from ripieno.clock import SystemClock
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.effects import EffectClass, EffectState
from ripieno.domain.entries import EntryType
from ripieno.domain.principals import Principal
from ripieno.domain.runs import Run, RunStatus
from ripieno.domain.tools import ToolStatus
from ripieno.engine.api import StartRun
from ripieno.ports import Model, Toolset
from ripieno.testing.platform import in_memory
from ripieno.testing.scripted_model import ScriptedModel, calls
from ripieno.tools.builtin import programs
from ripieno.tools.builtin.programs import Limits, Program
from ripieno.tools.functions import FunctionToolset, tool
from ripieno.tools.mcp.config import ServerConfig
from ripieno.tools.mcp.toolset import McpToolset
from ripieno.tools.timed import TimedToolset
from tests.crash.given import ROOT
from tests.crash.test_lost_legs import Endless

pytestmark = pytest.mark.crash

ALICE = Principal("alice")
PATIENCE = 60.0
ENDLESS = "import os, sys, time; open(sys.argv[1], 'a').write(f'{os.getpid()}\\n'); time.sleep(3600)"


def program(pids: Path) -> Toolset:
    """A tool that starts a program which ends only when it is killed."""

    @tool(effect=EffectClass.IRREVERSIBLE, timeout=3600)
    async def start() -> str:
        python = Program("python3", "")
        return (await programs.run(python, ["-c", ENDLESS, str(pids)], Limits(seconds=3600))).output

    return FunctionToolset("program", [start])


def counter(trace: Path, probe: float = 10.0) -> McpToolset:
    """An MCP server whose calls leave a line in the file."""
    server = ROOT / "tests" / "servers" / "counter_mcp.py"
    return McpToolset(
        ServerConfig(
            name="counter",
            command=sys.executable,
            args=(str(server),),
            env={"COUNTER_FILE": str(trace)},
            timeout=3600,
            probe_timeout=probe,
        ),
        SystemClock(),
    )


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not happened():
            await asyncio.sleep(0.01)


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@dataclass
class Scene:
    """A platform at work on one run."""

    platform: Platform
    run: Run

    async def cancelled(self) -> None:
        """Cancel it, and see that it stays so."""
        await self.platform.engine.cancel(ALICE, self.run.id, "enough")
        ended = await self.platform.engine.wait("default", self.run.id, PATIENCE)
        assert ended.status is RunStatus.CANCELLED
        assert (await self.platform.engine.cancel(ALICE, self.run.id)).status is RunStatus.CANCELLED
        await until(lambda: self.platform.worker.busy == 0)
        last = (await self.platform.ports.records.entries("default", self.run.id))[-1]
        assert (last.type, last.seq) == (EntryType.RUN_CANCELLED, ended.last_seq)

    async def outcome(self) -> tuple[list[EffectState], list[str]]:
        """What the ledger and the journal say of the calls that could change something."""
        effects = await self.platform.ports.records.effects("default", self.run.id)
        entries = await self.platform.ports.records.entries("default", self.run.id)
        told = [entry.body["result"]["status"] for entry in entries if entry.type is EntryType.TOOL_RETURNED]
        return [effect.state for effect in effects], told


CUT_OFF = ([EffectState.UNKNOWN], [ToolStatus.LOST])


@asynccontextmanager
async def at_work(model: Model, tools: Toolset, folder: Path) -> AsyncGenerator[Scene]:
    clerk = AgentDefinition(name="clerk", tools=("*",))
    timed = TimedToolset(tools, SystemClock())
    async with bootstrap.running(in_memory(model, timed, [clerk], folder)) as platform:
        yield Scene(platform, await platform.engine.start(StartRun("go", agent="clerk"), ALICE))


async def test_program_of_a_tool_is_killed(tmp_path: Path):
    pids = tmp_path / "pids"
    async with at_work(ScriptedModel([calls(("program.start", {}))]), program(pids), tmp_path) as scene:
        await until(lambda: len(lines(pids)) == 1)
        (pid,) = map(int, lines(pids))
        await scene.cancelled()
        await until(lambda: not alive(pid))
        assert await scene.outcome() == CUT_OFF


async def test_call_of_an_mcp_server_is_given_up_and_the_server_serves_others(tmp_path: Path):
    trace = tmp_path / "trace"
    model = ScriptedModel([calls(("counter.slow", {"seconds": 3600}))])
    async with counter(trace) as tools, at_work(model, tools, tmp_path) as scene:
        await until(lambda: lines(trace) == ["slow"])
        await scene.cancelled()
        assert await scene.outcome() == CUT_OFF
        answer = await scene.platform.engine.call_tool(ALICE, "counter.add", {"a": 1, "b": 2})
        assert answer.status is ToolStatus.OK


async def test_mcp_server_that_no_longer_answers_is_killed(tmp_path: Path):
    trace = tmp_path / "trace"
    async with counter(trace, probe=0.5) as tools:
        model = ScriptedModel([calls(("counter.freeze", {}))])
        async with at_work(model, tools, tmp_path) as scene:
            await until(lambda: lines(trace) == ["freeze"])
            (frozen,) = children(trace)
            await scene.cancelled()
            assert await scene.outcome() == CUT_OFF
            await until(lambda: frozen not in children(trace))


def children(trace: Path) -> set[int]:
    """The processes that were started with this trace file."""
    mark, found = f"COUNTER_FILE={trace}\0".encode(), set[int]()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes():
                found.add(int(process.name))
        except OSError:
            continue
    return found


async def test_answer_of_a_model_is_not_waited_for(tmp_path: Path):
    endless = Endless()
    async with at_work(cast("Model", endless), program(tmp_path / "pids"), tmp_path) as scene:
        await endless.begun.wait()
        await scene.cancelled()
        assert endless.cut.is_set()
        assert await scene.outcome() == ([], [])

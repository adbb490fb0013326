"""Keys of effects, end to end: what a Python function and an MCP server are given is what the ledger shows."""

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ripieno import bootstrap
from ripieno.bootstrap import Platform
from ripieno.clock import SystemClock
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.effects import EffectClass, EffectState
from ripieno.domain.principals import Principal
from ripieno.domain.tools import ToolContext
from ripieno.engine.api import StartRun
from ripieno.engine.past.rollback import RollbackWish
from ripieno.testing.platform import in_memory
from ripieno.testing.scripted_model import ScriptedModel, calls, says
from ripieno.tools.functions import FunctionToolset, tool
from ripieno.tools.mcp.config import ServerConfig
from ripieno.tools.mcp.toolset import McpToolset
from ripieno.tools.registry import ToolRegistry

pytestmark = pytest.mark.acceptance

SERVER = Path(__file__).parents[1] / "servers" / "counter_mcp.py"
ALICE = Principal("alice")


@asynccontextmanager
async def platform(folder: Path, told: list[ToolContext]) -> AsyncGenerator[Platform]:
    """An agent that books a seat and counts, with tools that are real."""

    @tool(effect=EffectClass.IDEMPOTENT, compensate="cancel")
    def book(seat: int, context: ToolContext) -> str:
        """Book a seat."""
        told.append(context)
        return f"seat {seat}"

    @tool(effect=EffectClass.IDEMPOTENT)
    async def cancel(seat: int, context: ToolContext) -> str:
        """Give a seat back."""
        told.append(context)
        return f"no seat {seat}"

    undo = {"increment": {"tool": "increment", "with": {"by": -1}}}
    document = {"name": "counter", "command": sys.executable, "args": [str(SERVER)], "compensate": undo}
    config = ServerConfig.model_validate({**document, "env": {"COUNTER_FILE": str(folder / "count")}})
    script = [calls(("hall.book", {"seat": 7}), ("counter.increment", {"by": 1})), says("Booked.")]
    async with McpToolset(config, SystemClock()) as counter:
        tools = ToolRegistry({"hall": FunctionToolset("hall", [book, cancel]), "counter": counter})
        clerk = AgentDefinition(name="clerk", tools=("*",))
        async with bootstrap.running(in_memory(ScriptedModel(script), tools, [clerk], folder)) as running:
            yield running


async def test_tools_are_given_the_keys_of_the_ledger(tmp_path: Path):
    told: list[ToolContext] = []
    async with platform(tmp_path, told) as running:
        records, engine = running.ports.records, running.engine
        run = await engine.wait("default", (await engine.start(StartRun("go", "clerk"), ALICE)).id, 60)
        keys = {effect.tool: effect.idempotency_key for effect in await records.effects("default", run.id)}
        assert [(context.run_id, context.key, context.attempt) for context in told] == [(run.id, "g1/turn/1/call/0", 1)]
        assert told[0].idempotency_key == keys["hall.book"]
        assert (tmp_path / "count").read_text() == f"increment 1 {keys['counter.increment']}\n"

        undo = await running.past.rollback(ALICE, run.id, RollbackWish())
        undo = await engine.wait("default", undo.id, 60)
        assert undo.result is not None
        assert undo.result.answer == "2 of 2 effects undone"
        undone = {effect.tool: effect.idempotency_key for effect in await records.effects("default", undo.id)}
        assert told[1].idempotency_key == undone["hall.cancel"]
        lines = (tmp_path / "count").read_text().splitlines()
        assert lines[1:] == [f"increment -1 {undone['counter.increment']}"]
        assert not set(keys.values()) & set(undone.values())
        states = [effect.state for effect in await records.effects("default", run.id)]
        assert states == [EffectState.COMPENSATED] * 2

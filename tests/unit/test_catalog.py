"""The shipped agents as data: they load, their teams are whole, and their tools exist."""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import httpx2
import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ripieno.domain.agents import AgentDefinition, Mode, Pattern
from ripieno.domain.effects import EffectClass
from ripieno.domain.tools import Risk, ToolContext, ToolSpec
from ripieno.store.definitions import FileDefinitions
from ripieno.testing.fake_clock import FakeClock
from ripieno.tools.builtin.catalogue import builtin_toolsets
from ripieno.tools.names import matches, select

AGENTS = Path(str(resources.files("ripieno"))) / "catalog" / "agents"
NAMES = {
    *("default", "planner", "researcher", "executor", "reviewer", "system_monitoring", "network_diagnostics"),
    *("log_analysis", "code_review", "operations"),
}


async def shipped() -> Sequence[AgentDefinition]:
    definitions = FileDefinitions([AGENTS], FakeClock())
    await definitions.load()
    assert await definitions.problems() == ()
    return await definitions.agents()


async def tools() -> Sequence[ToolSpec]:
    async with httpx2.AsyncClient() as client:
        toolsets = builtin_toolsets(client, FakeClock())
        context = ToolContext("default", Path("unused"))
        return [spec for toolset in toolsets.values() for spec in await toolset.list(context)]


async def test_all_load_without_a_problem_and_each_file_is_named_for_its_agent():
    assert {agent.name for agent in await shipped()} == NAMES
    assert {path.stem for path in AGENTS.glob("*.yaml")} == NAMES


async def test_every_tool_pattern_names_a_builtin_tool():
    known = await tools()
    for agent in await shipped():
        for pattern in (*agent.tools, *agent.approval_patterns()):
            assert any(matches(spec.name, pattern) for spec in known), (agent.name, pattern)
        for pattern in agent.approval_patterns():
            assert any(matches(spec.name, pattern) for spec in select(known, agent.tools)), (agent.name, pattern)


async def test_default_reaches_every_builtin_tool():
    known = await tools()
    default = next(agent for agent in await shipped() if agent.name == "default")
    assert select(known, default.tools) == known


async def test_nobody_changes_anything_without_an_approval():
    known = await tools()
    for agent in await shipped():
        for spec in select(known, agent.tools):
            asked = any(matches(spec.name, pattern) for pattern in agent.approval_patterns())
            assert spec.effect is EffectClass.READ or (asked and spec.risk is Risk.HIGH), (agent.name, spec.name)


async def test_planner_and_reviewer_have_no_tools():
    for agent in await shipped():
        if agent.role in {"planner", "reviewer"}:
            assert agent.tools == ()


async def test_the_team_is_whole():
    agents = {agent.name: agent for agent in await shipped()}
    team = agents["operations"]
    assert (team.mode, team.pattern) == (Mode.COLLABORATIVE, Pattern.REVIEW)
    roles = [agents[name].role for name in team.members]
    assert {role: roles.count(role) for role in ("planner", "executor", "reviewer")} == {
        "planner": 1,
        "executor": 1,
        "reviewer": 1,
    }
    assert roles.count("worker") >= 4


async def test_every_agent_says_what_it_is_for():
    for agent in await shipped():
        assert agent.metadata == {}, "a key is misspelt"
        assert agent.description
        assert agent.capabilities
        assert agent.examples
        assert agent.is_team or agent.role in {"planner", "executor", "reviewer", "worker"}


@pytest.mark.parametrize("name", sorted(NAMES - {"operations"}))
async def test_instructions_render(name: str):
    agent = next(agent for agent in await shipped() if agent.name == name)
    text = ImmutableSandboxedEnvironment().from_string(agent.instructions).render(goal="x", today="2026-11-20")
    assert "2026-11-20" in text or name == "reviewer"
    assert "{{" not in text


async def test_tool_names_are_the_promised_ones():
    assert {spec.name for spec in await tools()} == {
        *("math.calculate", "time.now", "time.convert", "web.fetch"),
        *("system.cpu", "system.memory", "system.disk", "system.processes", "system.uptime"),
        *("net.ping", "net.dns", "net.port", "net.traceroute", "net.tls"),
        *("logs.search", "logs.errors", "git.facts", "code.review"),
        *("files.write", "files.read", "files.list"),
    }


async def test_tools_describe_themselves():
    for spec in await tools():
        assert spec.source == "builtin"
        assert spec.description.endswith(".")
        assert spec.keywords
        assert spec.timeout <= 240
        for name, schema in spec.input_schema["properties"].items():
            assert schema.get("description"), f"{spec.name} does not describe {name}"

"""Agents read what they were only told of: their own, their family's, and nobody else's."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ripieno import bootstrap
from ripieno.bootstrap import Platform
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.artifacts import ArtifactRef, NewArtifact
from ripieno.domain.messages import ModelRequest, Reply, ToolMessage
from ripieno.domain.principals import Principal
from ripieno.domain.runs import Run, RunStatus
from ripieno.engine.api import StartRun
from ripieno.engine.core.handles import offered
from ripieno.engine.worker import Options
from ripieno.testing.platform import in_memory
from ripieno.testing.recording_tools import RecordingTools
from ripieno.testing.scripted_model import ScriptedModel, calls, says
from ripieno.tools.bounded import BoundedToolset

ALICE = Principal("alice")
LOG = "".join(f"{n:04} {'ERROR disk' if n == 700 else 'info fine'}\n" for n in range(1000))
CLERK = AgentDefinition.model_validate({"name": "clerk", "tools": ["logs.*", "agent.*"]})
SUB = AgentDefinition.model_validate({"name": "sub", "tools": ["logs.*"]})


class Reader:
    """A model that calls what it is given, with the id of the first artifact that it was told of."""

    def __init__(self, *wanted: tuple[str, dict[str, Any]]) -> None:
        self._wanted = list(wanted)
        self.requests: list[ModelRequest] = []

    def __call__(self, request: ModelRequest) -> Reply:
        self.requests.append(request)
        told = [message for message in request.messages if isinstance(message, ToolMessage)]
        if not told:
            return calls(("logs.read", {}))
        if len(told) <= len(self._wanted):
            name, arguments = self._wanted[len(told) - 1]
            artifact = told[0].text.rpartition("[artifact ")[2].partition(":")[0]
            return calls((name, {"id": artifact} | arguments if name != "artifact.list" else {}))
        return says("Done.")

    @property
    def told(self) -> list[str]:
        return [message.text for message in self.requests[-1].messages if isinstance(message, ToolMessage)]


def platform(model: Any, folder: Path, agents: Sequence[AgentDefinition] = (CLERK, SUB)) -> Platform:
    fake = in_memory(ScriptedModel(model), RecordingTools({"logs.read": LOG}), agents, folder)
    tools = BoundedToolset(fake.ports.tools, 1000, fake.ports.artifacts)
    return bootstrap.assemble(replace(fake.ports, tools=tools), Options())


async def ended(on: Platform, **fields: Any) -> Run:
    run = await on.engine.start(StartRun("read the log", agent="clerk", **fields), ALICE)
    return await on.engine.wait("default", run.id, 20)


async def test_a_long_result_is_read_where_it_is_kept(tmp_path: Path):
    reader = Reader(
        ("artifact.search", {"text": "error", "ignore_case": True}),
        ("artifact.read", {"line": 701, "lines": 1}),
        ("artifact.read", {"offset": 700 * 15, "length": 15}),
        ("artifact.list", {}),
        ("artifact.search", {"text": "nowhere"}),
        ("artifact.read", {"offset": 10**6}),
        ("artifact.read", {"line": 5000}),
        ("artifact.search", {"text": "info", "limit": 2}),
        ("artifact.search", {"text": "info", "limit": 0}),
    )
    async with bootstrap.running(platform(reader, tmp_path)) as on:
        run = await ended(on)
    assert run.status is RunStatus.COMPLETED
    offset = LOG.index("ERROR")
    assert len(reader.told[0].encode()) <= 1000
    assert reader.told[1] == f"line 701, byte {offset}: 0700 ERROR disk"
    assert reader.told[2] == "0700 ERROR disk\n[lines 701 to 701 of 1000; go on with line 702]"
    assert f"[bytes {700 * 15} to {700 * 15 + 15} of {len(LOG)}; go on with offset {700 * 15 + 15}]" in reader.told[3]
    assert "logs.read.txt, text/plain" in reader.told[4]
    assert reader.told[5:8] == [
        "[not found]",
        f"[nothing there: it has {len(LOG)} bytes]",
        "[nothing there: it has 1000 lines]",
    ]
    assert reader.told[8].splitlines()[-1] == f"[more from byte {LOG.index('info', LOG.index('info', 6) + 1)} on]"
    assert reader.told[9].startswith("invalid_arguments")


async def test_the_tools_are_offered_when_there_is_something_to_read(tmp_path: Path):
    reader = Reader(("artifact.list", {}))
    async with bootstrap.running(platform(reader, tmp_path)) as on:
        await ended(on)
    names = [[tool.name for tool in request.tools if tool.name.startswith("artifact.")] for request in reader.requests]
    assert names == [[], *[["artifact.read", "artifact.search", "artifact.list"]] * 2]


async def test_what_came_with_the_goal_can_be_read(tmp_path: Path):
    seen: list[str] = []

    def model(request: ModelRequest) -> Reply:
        seen.extend(message.text for message in request.messages if isinstance(message, ToolMessage))
        return says("Done.") if seen else calls(*wanted)

    async with bootstrap.running(platform(model, tmp_path)) as on:
        artifacts = on.ports.artifacts
        mine = await artifacts.put(NewArtifact("default", "a.csv", "text/csv", "alice"), b"a,b\n1,2\n")
        image = await artifacts.put(NewArtifact("default", "a.png", "image/png", "alice"), b"\x89PNG")
        other = await artifacts.put(NewArtifact("default", "b.csv", "text/csv", "bob"), b"secret")
        theirs = await artifacts.put(NewArtifact("other", "c.csv", "text/csv", "eve"), b"secret")
        wanted: list[tuple[str, dict[str, Any]]] = [
            *(("artifact.read", {"id": one.id}) for one in (mine, image, other, theirs)),
            ("artifact.list", {}),
        ]
        await ended(on, attachments=(mine.id, image.id))
    assert seen[0] == "a,b\n1,2\n\n[bytes 0 to 8 of 8, the end]"
    assert seen[1] == "error: a.png is image/png and cannot be read as text"
    for text, artifact in ((seen[2], other), (seen[3], theirs)):
        assert text == f"error: no artifact '{artifact.id}'\nhint: artifact.list tells what there is"
    assert [line.partition(":")[0] for line in seen[4].splitlines()] == [mine.id, image.id]


async def test_runs_of_a_family_read_each_others(tmp_path: Path):
    found: list[str] = []
    known: list[str] = []

    def model(request: ModelRequest) -> Reply:
        goal = next(message.text for message in request.messages if message.role == "user")
        told = [message for message in request.messages if isinstance(message, ToolMessage)]
        if goal == "read the log":
            if not told:
                return calls(("logs.read", {}))
            if len(told) == 1:
                artifact = told[0].text.rpartition("[artifact ")[2].partition(":")[0]
                known.append(artifact)
                return calls(("agent.sub", {"goal": f"read {artifact}"}))
            return says("Done.")
        if not told:
            return calls(("artifact.read", {"id": goal.removeprefix("read "), "length": 9}))
        found.append(told[0].text)
        return says("Read.")

    async with bootstrap.running(platform(model, tmp_path)) as on:
        assert (await ended(on)).status is RunStatus.COMPLETED
        stranger = await on.engine.start(StartRun(f"read {known[0]}", agent="sub"), ALICE)
        await on.engine.wait("default", stranger.id, 20)
    assert found[0].startswith("0000 info\n[bytes 0 to 9")
    assert found[1].startswith(f"error: no artifact '{known[0]}'")


@pytest.mark.parametrize("files", [(), ("image/png",)])
def test_nothing_is_offered_where_nothing_can_be_read(files: tuple[str, ...]):
    refs = [ArtifactRef("art_1", "a", kind, 1) for kind in files]
    assert offered((), refs) == ()

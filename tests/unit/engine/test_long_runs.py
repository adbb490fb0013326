"""A run whose conversation becomes too long, and whose worker dies between the summary and the next call."""

import asyncio
from dataclasses import replace
from pathlib import Path

from ripieno import bootstrap
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.entries import EntryType
from ripieno.domain.messages import ModelRequest, Reply
from ripieno.domain.principals import Principal
from ripieno.domain.runs import RunStatus
from ripieno.engine.api import StartRun
from ripieno.engine.worker import Options
from ripieno.testing.platform import in_memory
from ripieno.testing.recording_tools import RecordingTools
from ripieno.testing.scripted_model import ScriptedModel, calls, says

ALICE = Principal("alice")
CLERK = AgentDefinition.model_validate({"name": "clerk", "tools": ["logs.*"], "limits": {"max_turns": 30}})
PAGE = "The quick brown fox jumps over the lazy dog again. " * 40


def small(model: str, tenant: str) -> int:
    del model, tenant
    return 4000


class Reader:
    """Reads until its conversation was summed up, then answers; the first time it never comes to that."""

    def __init__(self) -> None:
        self.requests: list[ModelRequest] = []
        self.after: list[ModelRequest] = []
        self.summed_up = asyncio.Event()

    def __call__(self, request: ModelRequest) -> Reply:
        self.requests.append(request)
        if request.purpose == "compact":
            return says("Nothing yet.")
        if any("Nothing yet." in message.text for message in request.messages):
            self.after.append(request)
            self.summed_up.set()
            if len(self.after) == 1:
                raise asyncio.CancelledError
            return says("It was old.")
        return calls(("logs.read", {"page": len(self.requests)}))


async def test_whoever_takes_it_up_asks_the_very_same(tmp_path: Path):
    reader = Reader()
    fake = in_memory(ScriptedModel(reader), RecordingTools({"logs.read": PAGE}), [CLERK], tmp_path)
    ports = replace(fake.ports, window_of=small)
    async with bootstrap.running(bootstrap.assemble(ports, Options(drain_seconds=0))) as first:
        run = await first.engine.start(StartRun("why?", agent="clerk"), ALICE)
        async with asyncio.timeout(20):
            await reader.summed_up.wait()
    async with bootstrap.running(bootstrap.assemble(ports, Options())) as second:
        await ports.journal.recover()
        ended = await second.engine.wait("default", run.id, 20)
    assert (ended.status, ended.result and ended.result.answer) == (RunStatus.COMPLETED, "It was old.")
    died, went_on = reader.after
    assert died.messages == went_on.messages
    assert died.fingerprint == went_on.fingerprint
    assert sum(request.purpose == "compact" for request in reader.requests) == 1
    entries = await ports.records.entries("default", run.id)
    (note,) = [entry for entry in entries if entry.type is EntryType.CONTEXT_COMPACTED]
    assert note.body["tokens_before"] > note.body["tokens_after"]

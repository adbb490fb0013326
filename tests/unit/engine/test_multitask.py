"""Two messages at once in one session, with a real worker: what runs when, and what the model is told of it."""

import asyncio
from pathlib import Path
from typing import Any

from ripieno import bootstrap
from ripieno.bootstrap import Platform
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.messages import AssistantMessage, ModelRequest, Reply, UserMessage
from ripieno.domain.principals import Principal
from ripieno.domain.runs import TERMINAL, Multitask, Run, RunStatus
from ripieno.engine.api import StartRun
from ripieno.engine.intake import Options
from ripieno.testing.platform import in_memory
from ripieno.testing.recording_tools import RecordingTools, Scripted
from ripieno.testing.scripted_model import ScriptedModel, calls, says, turn_of

ALICE = Principal("alice")


class Chat:
    """One agent that looks something up, waits at the desk when it is told to, and answers with its goal."""

    def __init__(self, tmp_path: Path) -> None:
        self.waits, self.may = asyncio.Event(), asyncio.Event()
        self.model = ScriptedModel(self.reply)

        async def wait(_: dict[str, Any]) -> str:
            self.waits.set()
            await self.may.wait()
            return "waited"

        tools = RecordingTools({"desk.wait": Scripted(wait), "desk.look": "seen"})
        agents = [AgentDefinition(name="clerk", tools=("*",))]
        self.platform: Platform = in_memory(self.model, tools, agents, tmp_path, options=Options(poll_seconds=0.05))

    def reply(self, request: ModelRequest) -> Reply:
        goal = next(message.text for message in reversed(request.messages) if isinstance(message, UserMessage))
        turn = turn_of(request) - self.remembered(request)
        if "slow" not in goal or turn == 2:
            return says(f"did {goal}")
        return calls(("desk.look" if turn == 0 else "desk.wait", {}), text=f"working on {goal}")

    @staticmethod
    def remembered(request: ModelRequest) -> int:
        """How many of the answers are of earlier runs."""
        first = max(index for index, message in enumerate(request.messages) if isinstance(message, UserMessage))
        return sum(isinstance(message, AssistantMessage) for message in request.messages[:first])

    async def say(self, goal: str, session_id: str | None = None, how: Multitask = Multitask.ENQUEUE) -> Run:
        wanted = StartRun(goal, agent="clerk", session_id=session_id, multitask=how)
        return await self.platform.engine.start(wanted, ALICE)

    async def ended(self, run: Run) -> Run:
        async with asyncio.timeout(20):
            while (found := await self.platform.ports.records.run("default", run.id)).status not in TERMINAL:
                await asyncio.sleep(0.002)
        return found

    def told(self) -> list[str]:
        """What the model was told in the last request about earlier runs, and the goal."""
        return [
            message.text
            for message in self.model.requests[-1].messages
            if isinstance(message, UserMessage | AssistantMessage)
        ]


async def test_second_message_waits_and_knows_the_answer_to_the_first(tmp_path: Path):
    chat = Chat(tmp_path)
    async with bootstrap.running(chat.platform):
        first = await chat.say("slow one")
        await chat.waits.wait()
        second = await chat.say("two", first.session_id)
        assert (await chat.platform.ports.records.run("default", second.id)).after_id == first.id
        chat.may.set()
        assert (await chat.ended(second)).status is RunStatus.COMPLETED
        assert (await chat.ended(first)).status is RunStatus.COMPLETED
    assert chat.told() == ["slow one", "did slow one", "two"]


async def test_interrupted_run_ends_and_the_next_one_is_told_how_far_it_came(tmp_path: Path):
    chat = Chat(tmp_path)
    async with bootstrap.running(chat.platform):
        first = await chat.say("slow one")
        await chat.waits.wait()
        second = await chat.say("two", first.session_id, Multitask.INTERRUPT)
        assert (await chat.ended(second)).status is RunStatus.COMPLETED
        cancelled = await chat.ended(first)
        assert cancelled.status is RunStatus.CANCELLED
        keys = [entry.key for entry in await chat.platform.ports.records.entries("default", first.id)]
    assert any("call/0" in key for key in keys), "what it did stays on record"
    goal, account, last = chat.told()
    assert (goal, last) == ("slow one", "two")
    assert account.splitlines()[:3] == ["working on slow one", "Done so far:", "- desk.look: ok"]
    assert account.endswith("(The next message came before an answer.)")


async def test_rolled_back_run_is_as_if_it_had_not_been(tmp_path: Path):
    chat = Chat(tmp_path)
    async with bootstrap.running(chat.platform):
        zero = await chat.say("zero")
        await chat.ended(zero)
        first = await chat.say("slow one", zero.session_id)
        await chat.waits.wait()
        second = await chat.say("two", zero.session_id, Multitask.ROLLBACK)
        assert (await chat.ended(second)).status is RunStatus.COMPLETED
        assert (await chat.ended(first)).status is RunStatus.CANCELLED
    assert chat.told() == ["zero", "did zero", "two"]

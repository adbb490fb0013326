"""The agent that the benches run: a model that takes no time, unless asked to, and a tool that does nothing.

Everything else is the real platform as `bootstrap` puts it together. The goal says which script is played.
"""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from bench.goals import AGENT, ASK, WHEN, parts
from ripieno.bootstrap import Extras
from ripieno.domain.effects import EffectClass
from ripieno.domain.messages import ModelRequest, Reply, ToolMessage, UserMessage
from ripieno.settings import Role, Settings, WorkerSettings
from ripieno.testing.scripted_model import ScriptedModel, calls, says
from ripieno.tools.functions import FunctionToolset, tool

DEFINITION = """\
name: bench
description: Looks up words.
instructions: You look up words with your tool, one after the other, and then say so.
tools: ["words.*", "person.ask"]
limits: {max_turns: 1000}
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a platform keeps its rows and sends its hints. Without a database: SQLite in the folder."""

    folder: Path
    database: str = ""
    dispatch: str = ""
    role: Role = "all"
    slots: int = 100


def settings(place: Place) -> Settings:
    """Settings for a platform in which the one agent is defined."""
    agents = place.folder / "config" / "agents"
    agents.mkdir(parents=True, exist_ok=True)
    (agents / f"{AGENT}.yaml").write_text(DEFINITION)
    shared: dict[str, Any] = {"role": place.role} if place.database else {}
    if place.database:
        shared["database_url"] = SecretStr(place.database)
    if place.dispatch:
        shared["dispatch_url"] = SecretStr(place.dispatch)
    return Settings(
        port=0,
        data=place.folder / "data",
        config=place.folder / "config",
        worker=WorkerSettings(slots=place.slots),
        **shared,
    )


def extras(*, work: bool = True) -> Extras:
    """The scripted model and its tools."""
    model = ScriptedModel(reply, record=False)
    toolsets = {"words": FunctionToolset("words", [look_up, look_up_slowly])}
    return Extras(toolsets=toolsets, model=model, work=work)


async def reply(request: ModelRequest) -> Reply:
    """Play the script that the goal names. What this costs does not grow with the conversation."""
    goal, last = request.messages[1], request.messages[-1]
    assert isinstance(goal, UserMessage)
    turn = (len(request.messages) - 2) // 2
    if goal.text == WHEN or (goal.text == ASK and turn):
        return says(str(time.monotonic_ns()))
    if goal.text == ASK:
        return calls(("person.ask", {"question": "Shall I?"}))
    words, think_ms, work_ms = parts(goal.text)
    if think_ms:
        await asyncio.sleep(think_ms / 1000)
    if turn >= words:
        return says(f"The words were looked up [{evidence(last)}].")
    if work_ms:
        return calls(("words.look_up_slowly", {"word": f"word {turn}", "ms": work_ms}))
    return calls(("words.look_up", {"word": f"word {turn}"}))


def evidence(message: object) -> str:
    return message.evidence_id if isinstance(message, ToolMessage) else ""


@tool(effect=EffectClass.READ)
async def look_up(word: str) -> str:
    """Look up one word.

    Args:
        word: The word.
    """
    return f"{word}: found"


@tool(effect=EffectClass.READ)
async def look_up_slowly(word: str, ms: float) -> str:
    """Look up one word, at leisure.

    Args:
        word: The word.
        ms: How long to take for it.
    """
    await asyncio.sleep(ms / 1000)
    return f"{word}: found"

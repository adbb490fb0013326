"""The agent that the benches run: a model that takes no time and a tool that does nothing.

Everything else is the real platform as `bootstrap` puts it together. The goal says which script is played.
"""

import asyncio
import time
from pathlib import Path

from bench.goals import AGENT, CALLS, SLOWLY, WHEN
from ripieno.bootstrap import Extras
from ripieno.domain.effects import EffectClass
from ripieno.domain.messages import ModelRequest, Reply, UserMessage
from ripieno.settings import Settings, WorkerSettings
from ripieno.testing.scripted_model import ScriptedModel, calls, says, turn_of
from ripieno.tools.functions import FunctionToolset, tool

PACE_SECONDS = 0.02

DEFINITION = """\
name: bench
description: Looks up words.
instructions: You look up words with your tool, one after the other, and then say so.
tools: ["words.*"]
limits: {max_turns: 10}
"""


def settings(folder: Path, slots: int) -> Settings:
    """Settings for a platform in an empty folder, in which the one agent is defined."""
    agents = folder / "config" / "agents"
    agents.mkdir(parents=True)
    (agents / f"{AGENT}.yaml").write_text(DEFINITION)
    return Settings(port=0, data=folder / "data", config=folder / "config", worker=WorkerSettings(slots=slots))


def extras() -> Extras:
    """The scripted model and its tools."""
    model = ScriptedModel(reply, record=False)
    return Extras(toolsets={"words": FunctionToolset("words", [look_up, look_up_slowly])}, model=model)


def reply(request: ModelRequest) -> Reply:
    """Play the script that the goal names."""
    goal = next(message.text for message in request.messages if isinstance(message, UserMessage))
    turn = turn_of(request)
    if goal == WHEN:
        return says(str(time.monotonic_ns()))
    if turn == CALLS:
        return says("Five words were looked up [t5c0].")
    name = "words.look_up_slowly" if goal == SLOWLY else "words.look_up"
    return calls((name, {"word": f"word {turn}"}))


@tool(effect=EffectClass.READ)
async def look_up(word: str) -> str:
    """Look up one word.

    Args:
        word: The word.
    """
    return f"{word}: found"


@tool(effect=EffectClass.READ)
async def look_up_slowly(word: str) -> str:
    """Look up one word, at leisure.

    Args:
        word: The word.
    """
    await asyncio.sleep(PACE_SECONDS)
    return f"{word}: found"

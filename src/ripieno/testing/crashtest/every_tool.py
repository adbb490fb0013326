"""A model for crash tests: whatever the goal is, it calls each tool that its agent has, then answers."""

import math

from ripieno.domain.messages import ModelRequest, Reply, ToolMessage
from ripieno.domain.tools import ToolSpec
from ripieno.models.providers.offline.model import respond
from ripieno.testing.crashtest.examples import example
from ripieno.testing.scripted_model import calls, says, turn_of

TURNS = 3
"""In how many turns all tools are called, at most."""

AT_LEAST = 3
"""How many tools a turn calls while there are as many: some side by side, some one after the other."""


def call_every_tool(request: ModelRequest) -> Reply:
    """The reply to a request, for `ScriptedModel`. Planning, writing and reviewing for a team is left to `offline`."""
    if request.purpose != "act" or request.output_schema is not None:
        return respond(request)
    tools = [tool for tool in request.tools if not _hands_on(tool)]
    size = max(AT_LEAST, math.ceil(len(tools) / TURNS))
    turn = turn_of(request)
    chosen = tools[turn * size : (turn + 1) * size]
    if chosen:
        return calls(*((tool.name, example(tool.input_schema)) for tool in chosen))
    cited = [message for message in request.messages if isinstance(message, ToolMessage)]
    said = " ".join(f"{message.name} answered [{message.evidence_id}]." for message in cited)
    return says(said or "There was nothing to call.")


def _hands_on(tool: ToolSpec) -> bool:
    """Agents that give work to each other without a reason would never end."""
    return tool.name.startswith("agent.")

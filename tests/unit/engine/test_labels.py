"""What model requests are labelled with, and what children are told of where their parent came from."""

from pathlib import Path

from ripieno import bootstrap
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.messages import LABELS, ModelRequest, Reply
from ripieno.domain.principals import Principal
from ripieno.engine.api import StartRun
from ripieno.engine.performers.labels import LONGEST
from ripieno.engine.worker import Options
from ripieno.testing.platform import in_memory
from ripieno.testing.recording_tools import RecordingTools
from ripieno.testing.scripted_model import ScriptedModel, calls, says

ALICE = Principal("alice")
BOSS = AgentDefinition(name="boss", instructions="boss", tools=("handoff.*",), tags=("chief",))
CLERK = AgentDefinition(name="clerk", instructions="clerk", tags=("desk",))


async def test_requests_say_on_whose_behalf_they_are_made_and_so_do_those_of_children(tmp_path: Path):
    def answer(request: ModelRequest) -> Reply:
        return calls(("handoff.clerk", {})) if request.labels["agent"] == "boss" else says("done")

    model = ScriptedModel(answer)
    platform = in_memory(model, RecordingTools({}), [BOSS, CLERK], tmp_path, options=Options(slots=1))
    context = {"channel": "mail", "peer": "x" * (LONGEST + 1), "account": 7, "tags": ["eu", 3, "chief"]}
    async with bootstrap.running(platform):
        wanted = StartRun("go", agent="boss", context=context, metadata={"channel": "chat", "account": "acme"})
        run = await platform.engine.start(wanted, ALICE)
        await platform.engine.wait("default", run.id, 20)
    of_boss, of_clerk = (request.labels for request in model.requests)
    assert set(of_boss) <= set(LABELS)
    assert of_boss["run"] == run.id
    assert of_boss["key"] == "g1/turn/1/model"
    assert (of_boss["tenant"], of_boss["agent"], of_boss["user"]) == ("default", "boss", "alice")
    assert of_boss["tags"] == ["chief", "eu"]
    assert (of_boss["channel"], of_boss["peer"]) == ("mail", "x" * LONGEST)
    assert "account" not in of_boss, "what is no text in the context is not looked for elsewhere"
    assert (of_clerk["agent"], of_clerk["channel"], of_clerk["tags"]) == ("clerk", "mail", ["desk", "eu", "chief"])
    assert of_clerk["session"] == of_boss["session"]

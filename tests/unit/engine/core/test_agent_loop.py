"""One agent's loop, played by hand."""

from typing import Any

import pytest

from ripieno.domain.agents import AgentDefinition
from ripieno.domain.effects import EffectClass
from ripieno.domain.errors import JournalMismatch
from ripieno.domain.messages import AssistantMessage, Reply, SystemMessage, ToolMessage, UserMessage
from ripieno.domain.runs import Evidence, ExitReason, Limits, RunInput, RunStatus
from ripieno.domain.sessions import Exchange
from ripieno.domain.tools import ToolCall, ToolResult, ToolSpec, ToolStatus
from ripieno.domain.usage import Usage
from ripieno.engine.core.agent_loop import LAST_TURN, MAX_CALLS_A_TURN, Job, agent_loop
from ripieno.engine.core.commands import CallModel, Noted
from ripieno.testing.playbook import Playbook
from ripieno.tools.schemas import check

READ = ToolSpec("math.calculate", "Calculates.", {"type": "object"}, effect=EffectClass.READ)
WRITE = ToolSpec("files.write", "Writes.", {"type": "object"})


def job(*tools: ToolSpec, limits: Limits | None = None, data: dict[str, Any] | None = None, **fields: Any) -> Job:
    definition = AgentDefinition.model_validate({"name": "clerk", **fields})
    return Job(definition, RunInput("What is 6*7?", data), "You count.", "offline", limits or Limits(), tools)


def play(*tools: ToolSpec, limits: Limits | None = None, **fields: Any) -> Playbook:
    return Playbook(agent_loop(job(*tools, limits=limits, **fields), check))


def wants(*calls: tuple[str, dict[str, Any]], **more: Any) -> Reply:
    return Reply("", tuple(ToolCall(f"c{i}", name, args) for i, (name, args) in enumerate(calls)), **more)


def test_an_answer_without_tools_ends_the_run():
    book = play()
    request = book.model_says(Reply("42", usage=Usage(10, 2, cost_usd=0.5, calls=1))).request
    assert list(request.messages) == [
        SystemMessage("You count."),
        UserMessage("What is 6*7?"),
        *request.messages[2:],
    ]
    result = book.ended
    assert (result.status, result.exit_reason, result.answer) == (RunStatus.COMPLETED, ExitReason.COMPLETED, "42")
    assert result.usage == Usage(10, 2, cost_usd=0.5, calls=1)


def test_calls_of_one_turn_go_together_and_are_told_with_their_evidence_ids():
    book = play(READ)
    first = book.model_says(wants(("math.calculate", {"expression": "6*7"}), ("math.calculate", {"expression": "1"})))
    assert first.key == "g1/turn/1/model"
    turn = book.tools_return("42", ToolResult(ToolStatus.ERROR, "no", hint="try 2"))
    assert [planned.key for planned in turn.calls] == ["g1/turn/1/call/0", "g1/turn/1/call/1"]
    second = book.model_says(Reply("It is 42 [t1c0]."))
    assert second.key == "g1/turn/2/model"
    assert second.request.fingerprint != first.request.fingerprint
    said, good, bad = list(second.request.messages)[-3:]
    assert isinstance(said, AssistantMessage)
    assert good == ToolMessage("c0", "math.calculate", "42", "t1c0")
    assert bad == ToolMessage("c1", "math.calculate", "error: no\nhint: try 2", "t1c1", is_error=True)
    assert book.ended.evidence == (
        Evidence("t1c0", "math.calculate", {"expression": "6*7"}, "42"),
        Evidence("t1c1", "math.calculate", {"expression": "1"}, "error: no\nhint: try 2", ok=False),
    )


def test_history_data_and_context_are_in_the_opening():
    base = job(data={"a": 1})
    opened = Job(
        base.definition,
        RunInput("And now?", {"a": 1}, context={"who": "me"}),
        "",
        "offline",
        Limits(),
        history=(Exchange("run_1", "Before?", "Yes."),),
    )
    request = Playbook(agent_loop(opened, check)).wants(CallModel).request
    assert list(request.messages) == [
        UserMessage("Before?"),
        AssistantMessage("Yes."),
        UserMessage("And now?", {"a": 1, "context": {"who": "me"}}),
    ]


def test_the_last_turn_has_no_tools_and_says_so():
    book = play(READ, limits=Limits(max_turns=2))
    book.model_says(wants(("math.calculate", {})))
    book.tools_return("1")
    request = book.wants(CallModel).request
    assert request.tools == ()
    assert request.messages[-1] == UserMessage(LAST_TURN)
    book.model_says(wants(("math.calculate", {"again": True})))
    book.tools_return("2")
    assert book.failed_with() == "max_turns"
    assert book.ended.exit_reason is ExitReason.MAX_TURNS


def test_a_model_that_fails_ends_the_run_with_its_code():
    book = play()
    book.model_fails("model_unavailable", "429")
    assert book.failed_with() == "model_unavailable"
    assert book.ended.exit_reason is ExitReason.MODEL_ERROR


def test_a_withheld_answer_is_a_model_error():
    book = play()
    book.model_says(Reply("", finish_reason="content_filter"))
    assert book.failed_with() == "content_filter"


def test_an_empty_answer_is_asked_again_and_then_given_up():
    book = play()
    for _ in range(3):
        book.model_says(Reply("  "))
    assert book.failed_with() == "invalid_output"


SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def test_a_structured_answer_is_repaired_by_asking():
    book = play(output_schema=SCHEMA)
    book.model_says(Reply("forty-two"))
    repair = book.model_says(Reply('{"n": "x"}')).request
    assert "not JSON" in str(repair.messages[-1])
    book.model_says(Reply('```json\n{"n": 42}\n```'))
    assert book.ended.value == {"n": 42}


def test_a_structured_answer_that_stays_wrong_fails_with_what_is_wrong():
    book = play(output_schema=SCHEMA)
    for _ in range(3):
        book.model_says(Reply('{"n": "x"}'))
    assert book.ended.exit_reason is ExitReason.INVALID_OUTPUT
    assert book.ended.error is not None
    assert "/n" in book.ended.error.detail


def test_the_same_call_with_the_same_result_is_told_and_then_stopped():
    book = play(READ)
    for round_ in range(1, 6):
        request = book.model_says(wants(("math.calculate", {"x": 1}))).request
        if round_ == 4:
            assert "3 times" in str(request.messages[-1])
        book.tools_return("same")
    assert book.failed_with() == "loop_detected"


def test_the_same_call_with_other_results_is_no_loop():
    book = play(READ, limits=Limits(max_turns=9))
    for count in range(8):
        book.model_says(wants(("math.calculate", {"x": 1})))
        book.tools_return(str(count))
    book.model_says(Reply("done"))
    assert book.ended.status is RunStatus.COMPLETED


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(tokens=10), ExitReason.BUDGET_EXCEEDED),
        (Limits(usd=0.01), ExitReason.BUDGET_EXCEEDED),
        (Limits(seconds=1.0), ExitReason.DEADLINE),
    ],
)
def test_what_a_run_may_use_is_bounded(limits: Limits, reason: ExitReason):
    book = play(READ, limits=limits)
    book.model_says(wants(("math.calculate", {}), usage=Usage(9, 2, cost_usd=0.02)), ms=600)
    if book.result is None:
        book.tools_return("1", ms=600)
    assert book.ended.exit_reason is reason
    assert book.ended.usage == Usage(9, 2, cost_usd=0.02)


def test_effects_over_the_limit_are_never_called():
    book = play(WRITE, limits=Limits(effects=1))
    book.model_says(wants(("files.write", {}), ("files.write", {})))
    assert book.failed_with() == "budget_exceeded"


def test_a_turn_has_a_bounded_number_of_calls():
    book = play(READ)
    book.model_says(wants(*[("math.calculate", {"i": i}) for i in range(MAX_CALLS_A_TURN + 5)]))
    turn = book.tools_return(*[str(i) for i in range(MAX_CALLS_A_TURN)])
    assert len(turn.calls) == MAX_CALLS_A_TURN


def test_a_journal_that_holds_something_else_is_a_mismatch():
    program = agent_loop(job(), check)
    next(program)
    with pytest.raises(JournalMismatch, match="ModelAnswered"):
        program.send(Noted())

"""Tools that ask a person before they do their work: the run parks, and the call is made again with the answer."""

import asyncio
from typing import Any

import pytest

from ripieno.domain import inputs
from ripieno.domain.effects import EffectClass, EffectState
from ripieno.domain.errors import Invalid
from ripieno.domain.inputs import InputQuestion
from ripieno.domain.interrupts import DecisionKind, Interrupt, InterruptKind, InterruptStatus
from ripieno.domain.jsons import JsonObject
from ripieno.domain.messages import ModelRequest, ToolMessage
from ripieno.domain.runs import Run, RunStatus
from ripieno.engine.performers.inputs import MOST_QUESTIONS
from ripieno.testing.recording_tools import Scripted
from ripieno.testing.scripted_model import calls, says

FORM: JsonObject = {"type": "object", "properties": {"size": {"type": "integer"}}, "required": ["size"]}
SIZE = InputQuestion("Which size?", FORM)
COLOUR = InputQuestion("Which colour?", {"type": "object", "properties": {"colour": {"type": "string"}}})
ORDER = calls(("shop.order", {}))
EFFECTS = [EffectClass.READ, EffectClass.IDEMPOTENT, EffectClass.IRREVERSIBLE]


def asks(*questions: InputQuestion) -> Any:
    return inputs.required("shop.order", questions)


def told(request: ModelRequest) -> list[str]:
    return [message.text for message in request.messages if isinstance(message, ToolMessage)]


async def asked_about(bench: Any, run: Run, question: str) -> Interrupt:
    """The open interrupt with this question, as soon as it is there."""
    async with asyncio.timeout(10):
        while True:
            for one in await bench.interrupts(run):
                if one.request["question"] == question and one.status is InterruptStatus.PENDING:
                    return one
            await asyncio.sleep(0.002)


@pytest.mark.parametrize("effect", EFFECTS)
async def test_the_answer_goes_to_the_next_attempt(make: Any, effect: EffectClass):
    tool = Scripted([asks(SIZE), "ordered"], effect=effect)
    bench = await make([ORDER, says("done")], {"shop.order": tool})
    run = await bench.start()
    interrupt = await bench.asked(run)
    assert interrupt.kind is InterruptKind.QUESTION
    assert (interrupt.request["question"], interrupt.request["schema"]) == ("Which size?", FORM)
    assert (await bench.until(run, RunStatus.AWAITING_INPUT)).status is RunStatus.AWAITING_INPUT
    await bench.decide(interrupt, DecisionKind.ANSWER, answer={"size": 4})
    assert (await bench.ended(run)).status is RunStatus.COMPLETED
    first, second = bench.tools.calls
    assert first.context.answers == {}
    assert second.context.answers == {SIZE.digest: {"action": "accept", "content": {"size": 4}}}
    assert first.context.idempotency_key == second.context.idempotency_key
    assert told(bench.model.requests[1]) == ["ordered"]


@pytest.mark.parametrize("effect", EFFECTS[1:])
async def test_the_attempt_that_asked_is_closed_as_not_done(make: Any, effect: EffectClass):
    bench = await make([ORDER, says("done")], {"shop.order": Scripted([asks(SIZE), "ordered"], effect=effect)})
    run = await bench.start()
    interrupt = await bench.asked(run)
    effects = await bench.platform.ports.records.effects("default", run.id)
    assert [one.state for one in effects] == [EffectState.FAILED]
    await bench.decide(interrupt, DecisionKind.ANSWER, answer={"size": 4})
    await bench.ended(run)
    effects = await bench.platform.ports.records.effects("default", run.id)
    assert [(one.attempt, one.state) for one in effects] == [(1, EffectState.FAILED), (2, EffectState.DONE)]
    assert len(await bench.interrupts(run)) == 1


@pytest.mark.parametrize("effect", EFFECTS)
async def test_several_questions_are_asked_one_after_the_other(make: Any, effect: EffectClass):
    tool = Scripted([asks(SIZE, COLOUR), asks(COLOUR), "ordered"], effect=effect)
    bench = await make([ORDER, says("done")], {"shop.order": tool})
    run = await bench.start()
    await bench.decide(await bench.asked(run), DecisionKind.ANSWER, answer={"size": 4})
    second = await asked_about(bench, run, "Which colour?")
    await bench.decide(second, DecisionKind.ANSWER, answer={"colour": "red"})
    await bench.ended(run)
    assert bench.tools.calls[-1].context.answers == {
        SIZE.digest: {"action": "accept", "content": {"size": 4}},
        COLOUR.digest: {"action": "accept", "content": {"colour": "red"}},
    }


async def test_an_answer_that_does_not_fit_the_form_is_refused_and_the_question_stays_open(make: Any):
    bench = await make([ORDER, says("done")], {"shop.order": [asks(SIZE), "ordered"]})
    run = await bench.start()
    interrupt = await bench.asked(run)
    with pytest.raises(Invalid) as caught:
        await bench.decide(interrupt, DecisionKind.ANSWER, answer={"size": "large"})
    assert [problem.pointer for problem in caught.value.problems] == ["/size"]
    assert (await bench.asked(run)).id == interrupt.id


async def test_no_answer_declines(make: Any):
    bench = await make([ORDER, says("done")], {"shop.order": [asks(SIZE), "not ordered"]})
    run = await bench.start()
    await bench.decide(await bench.asked(run), DecisionKind.ANSWER, answer=None)
    await bench.ended(run)
    assert bench.tools.calls[1].context.answers == {SIZE.digest: {"action": "decline"}}


async def test_a_page_to_visit_is_shown_as_a_link(make: Any):
    bench = await make([ORDER, says("done")], {"shop.order": [asks(InputQuestion("Sign in", url="https://x.test"))]})
    interrupt = await bench.asked(await bench.start())
    assert (interrupt.request["url"], "schema" in interrupt.request) == ("https://x.test", False)


async def test_a_tool_that_never_stops_asking_is_an_error(make: Any):
    def ask(_: JsonObject) -> Any:
        return asks(InputQuestion(f"And {len(bench.tools.calls)}?"))

    bench = await make([ORDER, says("done")], {"shop.order": Scripted(ask, effect=EffectClass.IRREVERSIBLE)})
    run = await bench.start()
    for n in range(1, MOST_QUESTIONS + 1):
        asked = await asked_about(bench, run, f"And {n}?")
        await bench.decide(asked, DecisionKind.ANSWER, answer="yes")
    assert (await bench.ended(run)).status is RunStatus.COMPLETED
    assert told(bench.model.requests[1]) == [
        f"error: shop.order asked {MOST_QUESTIONS} questions and never did its work"
    ]


async def test_a_question_that_cannot_be_shown_is_an_error(make: Any):
    bench = await make([ORDER, says("done")], {"shop.order": asks()})
    await bench.ended(await bench.start())
    assert told(bench.model.requests[1]) == ["error: shop.order asked something that cannot be shown"]

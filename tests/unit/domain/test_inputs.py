"""What a tool asks a person, as a result and back."""

import pytest

from ripieno.domain import inputs
from ripieno.domain.inputs import InputQuestion
from ripieno.domain.jsons import Json
from ripieno.domain.tools import ToolResult, ToolStatus

FORM = InputQuestion("Which size?", {"type": "object"})
PAGE = InputQuestion("Sign in.", url="https://login.test/")


def test_questions_survive_the_way_through_a_result():
    result = inputs.required("shop.order", [FORM, PAGE])
    assert (result.status, result.text) == (
        ToolStatus.INPUT_REQUIRED,
        "shop.order asks: Which size? / Sign in.",
    )
    assert inputs.questions(result) == [FORM, PAGE]


@pytest.mark.parametrize("data", [None, [], {}, "text"])
def test_other_results_ask_nothing(data: Json):
    assert inputs.questions(ToolResult(ToolStatus.OK, "done", data)) == []


def test_a_person_sees_a_form_or_a_page():
    assert FORM.shown() == {"question": "Which size?", "schema": {"type": "object"}}
    assert PAGE.shown() == {"question": "Sign in.", "url": "https://login.test/"}
    assert InputQuestion("Why?").shown() == {"question": "Why?"}


def test_an_answer_finds_its_question_again():
    assert FORM.digest == InputQuestion("Which size?", {"type": "object"}).digest
    assert len({FORM.digest, PAGE.digest, InputQuestion("Which size?").digest}) == 3


def test_no_answer_declines():
    assert inputs.said(None) == {"action": inputs.DECLINE}
    assert inputs.said({"size": 3}) == {"action": inputs.ACCEPT, "content": {"size": 3}}

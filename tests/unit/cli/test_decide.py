"""What is sent as a decision."""

from typing import Any

import pytest

from ripieno.cli.commands.decide import fitting, read_result
from ripieno.cli.exits import Stop


def said(word: str, **more: Any) -> dict[str, Any]:
    return {"decision": "answer", "answer": word, "reason": None, **more}


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        (said("committed", result="receipt 7"), {"decision": "committed", "reason": None, "result": "receipt 7"}),
        (said("Retry"), {"decision": "retry", "reason": None, "result": None}),
        ({"decision": "deny", "reason": None}, {"decision": "deny", "reason": None}),
    ],
)
def test_the_fate_of_a_lost_call_is_answered_by_its_name(body: dict[str, Any], sent: dict[str, Any]):
    assert fitting({"kind": "unknown_effect"}, body) == sent


def test_another_word_is_told_what_can_be_said():
    with pytest.raises(Stop) as stop:
        fitting({"kind": "unknown_effect"}, said("yes"))
    assert "committed (it happened), retry (it did not: make it again)" in stop.value.sentences[0]
    assert fitting({"kind": "question"}, said("yes")) == said("yes")


@pytest.mark.parametrize(("text", "result"), [('{"receipt": 7}', {"receipt": 7}), ("receipt 7", "receipt 7"), ("7", 7)])
def test_a_result_is_json_or_text(text: str, result: Any):
    assert read_result(text) == result

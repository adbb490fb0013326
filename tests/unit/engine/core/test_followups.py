"""Arguments of a call that follows from another."""

import pytest

from ripieno.domain.jsons import Json
from ripieno.domain.tools import Compensation, ToolResult, ToolStatus
from ripieno.engine.core import followups

GIVEN = {"eur": 3, "to": ["ann", "bob"]}
RESULT = ToolResult(ToolStatus.OK, "paid", {"id": "p7", "lines": [{"n": 1}]})


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ({"x": "${{ arguments.eur }}"}, {"x": 3}),
        ({"x": "${{result.lines.0.n}}"}, {"x": 1}),
        (
            {"x": "pay ${{ arguments.eur }} to ${{ arguments.to }} (${{ result.id }})"},
            {"x": 'pay 3 to ["ann","bob"] (p7)'},
        ),
        ({"x": ["${{ key }}", 5, None, {"y": "${{ text }}"}]}, {"x": ["k1", 5, None, {"y": "paid"}]}),
        ({"x": "plain ${ } {{ }}"}, {"x": "plain ${ } {{ }}"}),
        (None, GIVEN),
    ],
)
def test_templates_are_filled(template: Json, filled: Json):
    scope = followups.scope_of(GIVEN, "k1", RESULT)
    assert followups.arguments(Compensation("t", template), scope) == filled


@pytest.mark.parametrize("path", ["result.number", "result.lines.1", "result.id.x", "nothing", "result.lines.x"])
def test_what_is_not_there_is_said(path: str):
    scope = followups.scope_of(GIVEN, "k1", RESULT)
    with pytest.raises(followups.Unfillable, match=path):
        followups.arguments(Compensation("t", {"x": f"${{{{ {path} }}}}"}), scope)


def test_a_result_that_is_text_and_none_at_all():
    assert followups.scope_of({}, "k", ToolResult(ToolStatus.OK, "paid"))["result"] == "paid"
    assert "result" not in followups.scope_of({}, "k")

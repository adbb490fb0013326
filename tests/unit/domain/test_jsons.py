"""Domain values as JSON and back."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ripieno.domain import jsons
from ripieno.domain.interrupts import ALLOWED_DECISIONS, STATUS_AFTER, Decision, DecisionKind
from ripieno.domain.messages import Reply
from ripieno.domain.runs import Evidence, ExitReason, RunError, RunResult, RunStatus
from ripieno.domain.tools import ToolCall, ToolResult, ToolStatus
from ripieno.domain.usage import NOTHING_USED, Usage

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@pytest.mark.parametrize(
    "value",
    [
        Reply("hi", (ToolCall("1", "a.b", {"x": [1]}, malformed="{"),), Usage(1, 2, 3, 4, 0.5, 1), "m", "p"),
        ToolResult(ToolStatus.TIMEOUT, "late", {"a": 1}, "wait", truncated=True, total_bytes=9),
        Decision(DecisionKind.APPROVE, "bob", "ok", {"a": 1}, None, datetime(2026, 1, 1, tzinfo=UTC)),
        RunResult(
            RunStatus.FAILED,
            ExitReason.TOOL_ERROR,
            "",
            {"a": None},
            (Evidence("t1c0", "a.b", {}, "x", ok=False),),
            NOTHING_USED,
            RunError("x", "y"),
        ),
    ],
)
def test_what_is_encoded_is_decoded_the_same(value: object):
    assert jsons.decode(type(value), jsons.encode(value)) == value


def test_another_shape_is_refused():
    with pytest.raises(ValidationError):
        jsons.decode(RunError, {"code": "x"})


@given(st.dictionaries(st.text(), JSON))
def test_the_order_of_keys_does_not_matter(value: dict[str, object]):
    turned = dict(reversed(value.items()))
    assert jsons.canonical(turned) == jsons.canonical(value)
    assert jsons.digest(turned) == jsons.digest(value)


def test_usage_adds_up():
    assert Usage(1, 2, 3, 4, 0.5, 1) + Usage(1, 1, 1, 1, 0.5, 1) == Usage(2, 3, 4, 5, 1.0, 2)
    assert Usage(3, 4).tokens == 7


def test_each_decision_belongs_to_a_kind_and_leads_somewhere():
    assert set().union(*ALLOWED_DECISIONS.values()) == set(DecisionKind) == set(STATUS_AFTER)

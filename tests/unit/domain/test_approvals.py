"""Whose approval a call needs, as agent files say it."""

from typing import Any

import pytest
from pydantic import ValidationError

from ripieno.domain.agents import AgentDefinition
from ripieno.domain.interrupts import OnExpiry, Terms


def agent(*approvals: Any) -> AgentDefinition:
    return AgentDefinition.model_validate({"name": "cashier", "approvals": approvals})


def terms(*approvals: Any, usual: Terms | None = None, tool: str = "shop.pay") -> Terms:
    return agent(*approvals).approval_terms(tool, usual or Terms())


def test_a_pattern_alone_is_approved_as_usual():
    usual = Terms(required=3, assignees=("dana",))
    assert terms("shop.*", usual=usual) == usual
    assert terms({"tool": "shop.pay"}, usual=usual) == usual
    assert agent("shop.*", {"tool": "shop.pay"}).approval_patterns() == ("shop.*", "shop.pay")


def test_an_entry_says_how():
    entry = {
        "tool": "shop.*",
        "required": 2,
        "four_eyes": True,
        "assignees": ["dana", "role:finance"],
        "expires": "4h",
        "on_expiry": "escalate",
        "escalate_to": ["role:cfo"],
    }
    said = Terms(2, True, ("dana", "role:finance"), 4 * 3600.0, OnExpiry.ESCALATE, ("role:cfo",))
    assert terms(entry) == said
    assert terms(entry, tool="mail.send") == Terms()


def test_where_several_fit_nothing_gets_weaker():
    first = {"tool": "shop.*", "required": 2, "exclude_requester": False, "assignees": ["dana"]}
    second = {"tool": "shop.pay", "required": 1, "exclude_requester": True, "assignees": ["bob"], "expires": 60}
    assert terms("shop.pay", first, second) == Terms(2, True, ("dana",), 60.0)


def test_an_entry_can_ask_for_less_than_usual():
    usual = Terms(required=2, exclude_requester=True)
    assert terms({"tool": "shop.pay", "required": 1, "exclude_requester": False}, usual=usual) == Terms()


@pytest.mark.parametrize(("given", "seconds"), [(90, 90.0), ("90s", 90.0), ("1.5m", 90.0), ("2 d", 172800.0)])
def test_durations(given: Any, seconds: float):
    assert terms({"tool": "*", "expires": given}).seconds == seconds


def test_nonsense_is_refused_in_words():
    with pytest.raises(ValidationError) as refused:
        agent("shop.look", {"tool": "shop.*", "expires": "soon"})
    (error,) = refused.value.errors()
    assert (error["loc"], "as in 4h" in error["msg"]) == (("approvals", 1, "terms", "expires"), True)


@pytest.mark.parametrize(
    "entry",
    [
        {"tool": "*", "required": 0},
        {"tool": "*", "expires": "soon"},
        {"tool": "*", "expires": -1},
        {"tool": "*", "on_expiry": "approve"},
        {"tool": "*", "escalate_to": []},
        {"tool": "*", "asignees": ["dana"]},
        {"required": 2},
    ],
)
def test_nonsense_is_refused(entry: dict[str, Any]):
    with pytest.raises(ValidationError):
        agent(entry)


def test_plain_patterns_leave_the_version_as_it_was():
    assert agent("shop.pay").model_dump(mode="json")["approvals"] == ["shop.pay"]

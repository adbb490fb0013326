"""The gate's first rules."""

import pytest

from ripieno.domain.policies import Action, Ruling
from ripieno.domain.tools import Risk, ToolSpec
from ripieno.governance.risk import RiskGate


def action(risk: Risk, *approvals: str) -> Action:
    return Action("default", "clerk", ToolSpec("shop.pay", "", {}, risk=risk), {}, approvals)


@pytest.mark.parametrize(
    ("ask_from", "risk", "ruling"),
    [
        (Risk.HIGH, Risk.LOW, Ruling.ALLOW),
        (Risk.HIGH, Risk.MEDIUM, Ruling.ALLOW),
        (Risk.HIGH, Risk.HIGH, Ruling.ASK),
        (Risk.MEDIUM, Risk.MEDIUM, Ruling.ASK),
        (Risk.LOW, Risk.LOW, Ruling.ASK),
    ],
)
def test_a_tool_of_enough_risk_is_asked_about(ask_from: Risk, risk: Risk, ruling: Ruling):
    assert RiskGate(ask_from).decide(action(risk)).ruling is ruling


@pytest.mark.parametrize("pattern", ["shop.pay", "shop.*", "*"])
def test_a_tool_on_the_agents_list_is_asked_about(pattern: str):
    verdict = RiskGate(Risk.HIGH).decide(action(Risk.LOW, pattern))
    assert verdict.ruling is Ruling.ASK
    assert verdict.rule_ids == ("agent.approvals",)
    assert verdict.reasons == ("agent clerk needs an approval for shop.pay",)


def test_other_patterns_do_not_matter():
    assert RiskGate(Risk.HIGH).decide(action(Risk.LOW, "shop.payment", "Shop.pay")).ruling is Ruling.ALLOW


def test_both_reasons_are_told():
    verdict = RiskGate(Risk.HIGH).decide(action(Risk.HIGH, "*"))
    assert verdict.rule_ids == ("agent.approvals", "tool.risk")
    assert verdict.risk == "high"

"""How much an act may use, and what is said when it may not."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from ripieno.domain.budgets import Amount, Budget, Caps, Measure, Shortage, Window
from ripieno.domain.effects import EffectClass
from ripieno.domain.messages import AssistantMessage, Attachment, ModelRequest, SystemMessage, ToolMessage, UserMessage
from ripieno.domain.tools import ToolCall, ToolSpec
from ripieno.engine.core import spending
from ripieno.engine.core.spending import Estimate, Price

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
ASK = ModelRequest("m", (SystemMessage("x" * 20), UserMessage("y" * 30)), timeout=60)


def short(**fields: Any) -> Shortage:
    day = Budget("acme", "agent:teller", Window.DAY, Caps(usd=10**9))
    usual = Shortage(day, SINCE, Measure.USD, 10**9, 9 * 10**8, 0, 2 * 10**8)
    return replace(usual, **fields)


def test_an_estimate_is_half_the_bytes_and_something_for_each_message():
    assert spending.estimate(ASK) == Estimate(10 + 8 + 15 + 8, 4096, 256)
    assert spending.estimate(replace(ASK, max_tokens=100)) == Estimate(41, 100, 100)


def test_everything_that_is_sent_counts():
    plain = spending.estimate(ASK).sent
    call = ToolCall("c1", "shop.pay", {"sum": 3})
    more = (
        *ASK.messages,
        UserMessage("z", {"n": 1}),
        AssistantMessage("", (call,)),
        ToolMessage("c1", "shop.pay", "paid"),
    )
    said = spending.estimate(replace(ASK, messages=more)).sent
    assert said > plain + 3 * 8
    image = Attachment("image/png", "rack.png", None, "art_1")
    shown = replace(ASK, messages=(*ASK.messages[:1], UserMessage("y" * 30, attachments=(image, image))))
    assert spending.estimate(shown).sent == plain + 4_000
    spec = ToolSpec("shop.pay", "Pay.", {"type": "object"})
    assert spending.estimate(replace(ASK, tools=(spec,))).sent > plain + 8
    assert spending.estimate(replace(ASK, output_schema={"type": "object"})).sent > plain + 8


def test_a_model_call_needs_its_whole_answer_and_at_least_a_short_one():
    tokens, price = Estimate(1000, 4000, 400), Price(sent=0.001, whole=0.041)
    need, least = spending.of_model(tokens, price, 60)
    assert need == Amount.used(0.041, 5000, 60)
    assert least == Amount.used(0.005, 1400, 1)


@pytest.mark.parametrize(
    ("amount", "answer", "timeout"),
    [
        (Amount.used(0.041, 5000, 60), 4000, 60),
        (Amount.used(0.041, 1500, 7), 500, 7),
        (Amount.used(0.021, 5000, 60), 2000, 60),
        (Amount.used(0.001, 5000, 60), 1, 60),
    ],
)
def test_a_request_is_cut_to_what_was_set_aside(amount: Amount, answer: int, timeout: float):
    tokens, price = Estimate(1000, 4000, 400), Price(sent=0.001, whole=0.041)
    cut = spending.within(ASK, tokens, price, amount)
    assert (cut.max_tokens, cut.timeout) == (answer, timeout)


def test_a_free_answer_is_not_cut_by_money():
    assert (
        spending.within(ASK, Estimate(10, 4096, 256), Price(), Amount(tokens=5000, seconds=60_000)).max_tokens == 4096
    )


def test_a_tool_call_needs_time_and_perhaps_an_effect():
    pay = ToolSpec("shop.pay", "Pay.", {}, effect=EffectClass.IDEMPOTENT, timeout=30)
    assert spending.of_tool(pay) == (Amount.used(seconds=30, effects=1), Amount.used(seconds=1, effects=1))
    look = replace(pay, effect=EffectClass.READ, timeout=0.5)
    assert spending.of_tool(look) == (Amount.used(seconds=0.5), Amount.used(seconds=0.5))


def test_a_refusal_says_scope_window_limit_and_what_is_spent():
    assert spending.told(short()) == (
        "the budget of agent teller for this day is spent: 1 USD allowed, 0.9 spent, at least 0.2 needed"
    )
    held = short(measure=Measure.TOKENS, limit=100, spent=10, leased=85, needed=20)
    assert spending.told(held) == (
        "the budget of agent teller for this day is spent: 100 tokens allowed, 10 spent, 85 in use, at least 20 needed"
    )
    assert spending.named(Budget("acme", "tenant", Window.TOTAL, Caps())) == "tenant"


def test_a_person_is_shown_how_much_more_would_do():
    asked = spending.asked(short())
    facts = {"scope": "agent:teller", "window": "day", "measure": "usd", "limit": 1, "spent": 0.9, "needed": 0.2}
    assert asked == {**facts, "amount": 1, "description": spending.told(short())}
    assert spending.asked(short(limit=0, spent=0))["amount"] == 0.2


def test_another_limit_is_another_question():
    assert spending.subject(short()) == spending.subject(short(spent=1, needed=3))
    assert spending.subject(short()) != spending.subject(short(limit=1))

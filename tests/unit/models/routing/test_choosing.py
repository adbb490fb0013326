"""Which model answers: rules in order, scopes by how specific they are, shares, ceilings, abilities."""

from collections import Counter

import pytest

from ripieno.domain.errors import NoRoute
from ripieno.domain.messages import Attachment, ModelRequest, UserMessage
from ripieno.domain.tools import ToolSpec
from ripieno.models.catalogue import ModelSaid, PriceSaid
from tests.unit.models.routing.desk import ADMIN, Desk, asks

TOOL = ToolSpec("shop.pay", "Pay.", {"type": "object"})


async def test_without_rules_a_request_goes_where_it_says():
    desk = Desk()
    assert not desk.routes.concerns(asks("a:x"))
    assert await desk.decide(asks("a:x")) is None
    assert await desk.models(asks("b")) == ["b:b-1"], "a provider stands for its own model"
    assert await desk.models(asks("offline")) == ["offline"]
    with pytest.raises(NoRoute, match="'fast' is no route"):
        await desk.decide(asks("fast"))


async def test_the_first_rule_of_a_route_that_fits_decides():
    desk = Desk()
    await desk.publish(
        {"route": "smart", "when": "complexity > 0.5", "candidates": ["a:large"], "name": "hard"},
        {"route": "smart", "when": "tags.exists(t, t == 'eu')", "candidates": ["b:eu"]},
        {"route": "smart", "candidates": ["c"]},
        {"route": "other", "candidates": ["a:never"]},
    )
    hard = "Why? Compare, then prove it step by step, and design a plan. " * 30
    assert await desk.models(asks("smart", hard)) == ["a:large"]
    assert await desk.models(asks("smart", tags=["eu"])) == ["b:eu"]
    assert await desk.models(asks("smart")) == ["c:c-1"]
    assert await desk.models(asks("a:x")) == ["a:x"], "rules of a route are not about others"
    decision = await desk.decide(asks("smart", hard))
    assert decision is not None
    assert (decision.version, decision.rule, decision.asked) == ("v1", "hard", "smart")


async def test_short_rules_stand_most_specific_first_and_lead_to_routes_models_or_providers():
    desk = Desk()
    await desk.publish(
        {"scope": "agent", "key": "clerk", "route": "c:of-agent"},
        {"scope": "channel", "key": "mail", "route": "smart"},
        {"scope": "account", "key": "acme-1", "route": "b"},
        {"scope": "peer", "key": "alice", "route": "a:x"},
        {"route": "smart", "when": "tokens > 1000", "candidates": ["a:large"]},
        {"route": "smart", "candidates": ["a:small"], "fallbacks": ["b:small"]},
    )
    everything = {"channel": "mail", "account": "acme-1", "peer": "alice"}
    assert await desk.models(asks("c:any", **everything)) == ["a:x"]
    assert await desk.models(asks("c:any", channel="mail", account="acme-1")) == ["b:b-1"]
    assert await desk.models(asks("c:any", channel="mail")) == ["a:small", "b:small"]
    assert await desk.models(asks("c:any", "x" * 9000, channel="mail")) == ["a:large"]
    assert await desk.models(asks("a:any")) == ["c:of-agent"]
    assert await desk.models(asks("a:any", agent="other")) == ["a:any"]


async def test_shares_are_kept_and_a_retry_meets_the_same():
    desk = Desk()
    shares = [{"model": "a:x", "weight": 3}, {"model": "b:x", "weight": 1}]
    await desk.publish({"route": "mix", "candidates": shares})
    first: Counter[str] = Counter()
    for number in range(400):
        tried = await desk.models(asks("mix", run=f"run_{number}"))
        assert set(tried) == {"a:x", "b:x"}
        first[tried[0]] += 1
        assert await desk.models(asks("mix", run=f"run_{number}", key="g2/turn/1/model")) == tried
    assert 260 < first["a:x"] < 340


async def test_who_cannot_do_it_is_left_out_with_the_reason():
    desk = Desk()
    said = {
        "a:x": ModelSaid(tools=False),
        "b:x": ModelSaid(context_window=100),
        "c:x": ModelSaid(modalities=("text",)),
    }
    for model, facts in said.items():
        await desk.gateway.say(ADMIN, model, facts)
    await desk.publish({"route": "r", "candidates": ["a:x"], "fallbacks": ["b:x", "c:x", "nobody:x", "b:y"]})
    image = UserMessage("x" * 4000, attachments=(Attachment("image/png", "p.png"),))
    request = ModelRequest("r", (image,), tools=(TOOL,), labels=asks("r").labels)
    decision = await desk.decide(request)
    assert decision is not None
    assert decision.models == ("b:y",)
    why = {each.target: each.left_out for each in decision.choices}
    assert why["a:x"] == "cannot call tools"
    assert "takes 100 tokens" in why["b:x"]
    assert "does not understand image" in why["c:x"]
    assert "is no route, model or provider" in why["nobody:x"]


async def test_ceilings_of_cost_and_time_leave_out_who_is_over_them():
    desk = Desk()
    await desk.gateway.say(ADMIN, "a:x", ModelSaid(price=PriceSaid(input=1000.0, output=1000.0)))
    await desk.gateway.say(ADMIN, "b:x", ModelSaid(price=PriceSaid(input=0.1, output=0.1)))
    rule = {"route": "r", "candidates": ["a:x"], "fallbacks": ["c:unpriced", "b:x"], "max_usd": 0.01, "max_seconds": 5}
    await desk.publish(rule, {"route": "r", "candidates": ["offline"]})
    assert await desk.models(asks("r")) == ["b:x"]
    for _ in range(30):
        desk.routes.around.latencies.took("acme", "b:x", 9.0)
    decision = await desk.decide(asks("r"))
    assert decision is not None
    assert decision.models == ("offline",)
    (passed,) = decision.passed_over
    assert "may cost" in passed
    assert "no known price" in passed
    assert "takes 9 s lately" in passed


async def test_who_fits_no_rule_gets_the_default_or_an_error_that_says_so():
    desk = Desk()
    only_mail = {"route": "r", "when": "channel == 'mail'", "candidates": ["a:x"]}
    await desk.publish(only_mail)
    with pytest.raises(NoRoute, match="no rule of routing v1 has a model for 'r', and there is no default"):
        await desk.decide(asks("r"))
    await desk.publish(only_mail, default="b")
    assert await desk.models(asks("r")) == ["b:b-1"]


async def test_a_rule_that_fits_and_has_nobody_does_not_let_the_request_go_where_it_would():
    desk = Desk()
    await desk.publish({"scope": "peer", "key": "alice", "route": "gone:x"})
    with pytest.raises(NoRoute, match="peer:alice: gone:x is no route"):
        await desk.decide(asks("a:x", peer="alice"))
    assert await desk.models(asks("a:x", peer="bob")) == ["a:x"]


async def test_a_condition_that_cannot_be_told_of_a_request_fails_it():
    desk = Desk()
    await desk.publish(
        {"route": "r", "when": "tags[0] == 'eu'", "candidates": ["a:x"]}, {"route": "r", "candidates": ["b"]}
    )
    assert await desk.models(asks("r", tags=["eu"])) == ["a:x"]
    with pytest.raises(NoRoute, match="cannot be told"):
        await desk.decide(asks("r"))


async def test_another_tenant_has_rules_of_its_own():
    desk = Desk()
    await desk.publish({"route": "r", "candidates": ["a:x"]})
    with pytest.raises(NoRoute, match="no route"):
        await desk.decide(asks("r", tenant="other"))


async def test_what_is_set_aside_covers_the_dearest_that_may_answer():
    desk = Desk()
    for model, usd in (("a:x", 1.0), ("b:x", 5.0), ("c:x", 2.0)):
        await desk.gateway.say(ADMIN, model, ModelSaid(price=PriceSaid(input=usd, output=usd)))
    rules = (
        {"scope": "channel", "key": "mail", "route": "r"},
        {"route": "r", "when": "tokens < 100", "candidates": ["a:x"], "fallbacks": ["b:x"], "max_usd": 0.001},
        {"route": "r", "when": "tokens > 100", "candidates": ["c:x"]},
    )
    await desk.publish(*rules, default="c:x")
    assert await desk.routes.most_usd(asks("r"), 1_000_000, 0) == 5.0
    assert await desk.routes.most_usd(asks("a:x", channel="mail"), 1_000_000, 0) == 5.0
    assert await desk.routes.most_usd(asks("a:x"), 1_000_000, 0) == 1.0, "nobody else may answer"
    await desk.publish({"route": "r", "candidates": ["a:x"], "fallbacks": ["a:unpriced"]})
    assert await desk.routes.most_usd(asks("r"), 1_000_000, 0) is None
    assert await desk.routes.most_usd(asks("a:x"), 1_000_000, 0) == 1.0

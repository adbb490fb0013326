"""Versions: checked before they are in force, tried on a share of runs or on the past, and taken back."""

from typing import Any

import pytest
from pydantic import ValidationError

from ripieno.domain.errors import Conflict, Invalid, NotFound
from ripieno.domain.recorded_requests import RecordedRequest
from ripieno.models.catalogue import ModelSaid, PriceSaid
from ripieno.models.routing.publishing import Publication
from ripieno.models.routing.rules import RoutingRules
from ripieno.models.routing.simulating import Simulating
from ripieno.testing.memory_gateway import MemoryRequests
from ripieno.testing.memory_model_documents import MemoryModelDocuments
from tests.unit.models.routing.desk import ADMIN, Desk, asks

TO_A: dict[str, Any] = {"route": "r", "candidates": ["a:x"]}
TO_B: dict[str, Any] = {"route": "r", "candidates": ["b:x"]}


def rules(*given: Any, default: str | None = None) -> RoutingRules:
    return RoutingRules.model_validate({"rules": list(given), "default": default})


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ([TO_A, {"route": "s", "when": "channel ==", "candidates": ["a:x"]}], "/rules/1/when"),
        ([{"when": "nobody == 1", "candidates": ["a:x"]}], "/rules/0/when"),
        ([{"when": "peer > 3", "candidates": ["a:x"]}], "/rules/0/when"),
        ([{"when": "tokens + 1", "candidates": ["a:x"]}], "/rules/0/when"),
        ([TO_A, {"route": "s", "candidates": ["a:x", "r"]}], "/rules/1/candidates/1"),
        ([TO_A, {"route": "s", "candidates": ["a:x"], "fallbacks": ["s"]}], "/rules/1/fallbacks/0"),
    ],
)
async def test_rules_that_are_wrong_are_not_published(given: list[Any], pointer: str):
    desk = Desk()
    with pytest.raises(Invalid) as refused:
        await desk.publish(*given)
    assert [problem.pointer for problem in refused.value.problems] == [pointer]
    assert not await desk.gateway.publishing.versions("acme")
    assert desk.routes.in_force("acme").stable is None


@pytest.mark.parametrize(
    "given", [{"candidates": []}, {"scope": "planet", "key": "x", "route": "a:x"}, {"candidates": ["a b"]}, {}, 7]
)
def test_rules_without_form_are_refused(given: Any):
    with pytest.raises(ValidationError):
        rules(given)


async def test_versions_follow_each_other_and_the_way_back_is_short():
    desk = Desk()
    assert await desk.publish(TO_A) == "v1"
    assert await desk.publish(TO_B, version="spring") == "spring"
    assert await desk.models(asks("r")) == ["b:x"]
    await desk.gateway.publishing.roll_back(ADMIN, "v1")
    assert await desk.models(asks("r")) == ["a:x"]
    assert await desk.gateway.publishing.publish(ADMIN, Publication("spring")) == "spring"
    assert await desk.models(asks("r")) == ["b:x"]
    desk.clock.advance(1)
    assert {each.version for each in await desk.gateway.publishing.versions("acme")} == {"v1", "spring"}
    with pytest.raises(Conflict, match="other rules"):
        await desk.publish(TO_A, version="spring")
    with pytest.raises(NotFound):
        await desk.gateway.publishing.roll_back(ADMIN, "autumn")
    kept = desk.gateway.documents.kept
    assert isinstance(kept, MemoryModelDocuments)
    actions = [deed.action for deed in kept.deeds]
    assert actions == ["PUBLISH_ROUTING", "PUBLISH_ROUTING", "ROLLBACK_ROUTING", "PUBLISH_ROUTING"]


async def test_a_canary_is_met_by_its_share_of_runs_all_the_way():
    desk = Desk()
    with pytest.raises(Invalid, match="nothing is published yet"):
        await desk.publish(TO_A, canary=0.2)
    await desk.publish(TO_A)
    await desk.publish(TO_B, version="new", canary=0.2)
    met: dict[str, int] = {"a:x": 0, "b:x": 0}
    for number in range(400):
        (first,) = await desk.models(asks("r", run=f"run_{number}"))
        assert await desk.models(asks("r", run=f"run_{number}", key="g1/turn/9/model")) == [first]
        met[first] += 1
    assert 50 < met["b:x"] < 115
    await desk.gateway.publishing.publish(ADMIN, Publication("new"))
    assert desk.routes.in_force("acme").canary is None
    assert await desk.models(asks("r", run="run_0")) == ["b:x"]


async def test_a_draft_changes_nothing_until_it_is_published():
    desk = Desk()
    await desk.publish(TO_A)
    await desk.gateway.publishing.draft(ADMIN, rules(TO_B))
    assert await desk.models(asks("r")) == ["a:x"]
    assert await desk.gateway.publishing.publish(ADMIN, Publication()) == "v2"
    assert await desk.models(asks("r")) == ["b:x"]
    assert desk.routes.in_force("acme").draft is None
    with pytest.raises(Invalid, match="nothing to publish"):
        await desk.gateway.publishing.publish(ADMIN, Publication("v9"))


async def test_what_nobody_serves_is_told_and_may_come_later():
    desk = Desk()
    found = desk.gateway.publishing.warnings(
        "acme", rules(TO_A, {"scope": "peer", "key": "x", "route": "west"}, default="z:1")
    )
    assert [problem.pointer for problem in found] == ["/rules/1/route", "/default"]


def recorded(model: str, usd: float, number: int = 1, **origin: Any) -> RecordedRequest:
    provider, _, name = model.partition(":")
    whose = ("clerk", "ses_1", "alice", "r", origin)
    return RecordedRequest(f"run_{number}", "g1/turn/1/model", *whose, provider, name, 1_000_000, 0, usd)


async def test_what_rules_would_have_done_with_recorded_requests():
    desk = Desk()
    await desk.gateway.say(ADMIN, "b:x", ModelSaid(price=PriceSaid(input=0.5, output=1.0)))
    requests = MemoryRequests()
    requests.requests = [
        recorded("a:x", 2.0, 1),
        recorded("a:x", 2.0, 2, channel="mail"),
        recorded("a:x", 2.0, 3, channel="fax"),
        recorded("a:x", 2.0, 4, channel="post"),
    ]
    draft = rules(
        {"route": "r", "when": "channel == 'mail'", "candidates": ["b:x"]},
        {"route": "r", "when": "channel == 'fax'", "candidates": ["c:unpriced"]},
        {"route": "r", "when": "channel == ''", "candidates": ["a:x"]},
    )
    effect = await Simulating(desk.routes, requests).history("acme", draft, 100)
    assert (effect.requests, effect.same, effect.elsewhere, effect.nowhere, effect.unpriced) == (4, 1, 2, 1, 1)
    assert (effect.usd_before, effect.usd_after) == (4.0, 2.5)
    assert effect.models == {"a:x": 1, "b:x": 1, "c:unpriced": 1}
    assert [each["to"] for each in effect.examples] == ["b:x", "c:unpriced", None]


async def test_one_described_request_is_decided_or_told_why_not():
    desk = Desk()
    await desk.publish(TO_A)
    decision, facts, why = await desk.gateway.simulating.one("acme", {"model": "r", "channel": "mail"})
    assert decision is not None
    assert (decision.models, facts["channel"], why) == (("a:x",), "mail", "")
    decision, _, why = await desk.gateway.simulating.one("acme", {"model": "s"})
    assert decision is None
    assert "'s' is no route" in why
    decision, _, _ = await desk.gateway.simulating.one("acme", {"model": "r"}, rules(TO_B))
    assert decision is not None
    assert decision.models == ("b:x",)

"""Rules about who may go where, for which call a request counts, and what is written down."""

import asyncio
import logging

import pytest

from ripieno.domain.errors import Invalid
from ripieno.domain.jsons import JsonObject
from ripieno.tools.egress.explaining import Explainer
from ripieno.tools.egress.guard import guarded_client
from ripieno.tools.egress.policy import EgressDecision, EgressDenied, EgressPolicy
from ripieno.tools.egress.rules import Rule, first
from ripieno.tools.egress.scope import NOBODY, PROOF, Scope, current, scoped
from ripieno.tools.egress.telling import Decisions

RULES = (
    Rule(name="no-writes", allow=False, domains=(".shop.test",), methods=frozenset({"POST"})),
    Rule(
        name="shop", allow=True, domains=(".shop.test",), tools=("web.*",), tenants=("acme",), ports=frozenset({8443})
    ),
    Rule(name="read", allow=True, domains=("read.test",), methods=frozenset({"GET"})),
    Rule(name="rest", allow=False),
)


@pytest.mark.parametrize(
    ("scope", "host", "port", "method", "rule"),
    [
        (Scope("web.fetch", "acme"), "a.shop.test", 8443, "GET", "shop"),
        (Scope("web.fetch", "acme"), "shop.test", 8443, "GET", "shop"),
        (Scope("web.fetch", "acme"), "evilshop.test", 8443, "GET", "rest"),
        (Scope("web.fetch", "acme"), "shop.test", 443, "GET", "rest"),
        (Scope("web.fetch", "other"), "shop.test", 8443, "GET", "rest"),
        (Scope("mail.send", "acme"), "shop.test", 8443, "GET", "rest"),
        (Scope("web.fetch", "acme"), "shop.test", 8443, "post", "no-writes"),
        (Scope("web.fetch", "acme"), "shop.test", 8443, None, "no-writes"),
        (NOBODY, "read.test", 443, "GET", "read"),
        (NOBODY, "read.test", 443, None, "rest"),
        (None, "shop.test", 8443, "GET", "rest"),
    ],
)
def test_the_first_that_fits(scope: Scope | None, host: str, port: int, method: str | None, rule: str) -> None:
    found = first(RULES, scope, host, port, method)
    assert found is not None
    assert found.name == rule


def test_where_none_fits() -> None:
    assert first((), NOBODY, "a.test", 80, "GET") is None


async def test_a_task_that_outlives_its_call_has_no_rights() -> None:
    go_on = asyncio.Event()

    async def later() -> Scope:
        await go_on.wait()
        return current()

    async with asyncio.TaskGroup() as group:
        with scoped(Scope("web.fetch", "acme", "run_1")):
            assert current().tool == "web.fetch"
            left = group.create_task(later())
        go_on.set()
        assert await left is NOBODY
    assert current() is NOBODY


async def test_calls_at_the_same_time_do_not_see_each_other() -> None:
    both = asyncio.Barrier(2)

    async def call(tool: str) -> str:
        with scoped(Scope(tool)):
            await both.wait()
            return current().tool

    assert await asyncio.gather(call("a.b"), call("c.d")) == ["a.b", "c.d"]


async def test_a_rule_binds_each_request_and_opens_no_private_address() -> None:
    told: list[EgressDecision] = []

    async def nowhere(host: str, port: int) -> list[str]:
        del host, port
        return ["127.0.0.1"]

    policy = EgressPolicy(allow_domains=(), rules=RULES)
    async with guarded_client(policy, observe=told.append, resolve=nowhere) as client:
        with scoped(Scope("web.fetch", "acme")):
            with pytest.raises(EgressDenied, match="not public"):
                await client.get("https://a.shop.test:8443/")
            with pytest.raises(EgressDenied, match="rule no-writes"):
                await client.post("https://a.shop.test:8443/")
        with pytest.raises(EgressDenied, match="rule rest"):
            await client.get("https://a.shop.test:8443/")
    assert [(each.allowed, each.rule, each.method) for each in told] == [
        (False, "", ""),
        (False, "no-writes", "POST"),
        (False, "rest", "GET"),
    ]


@pytest.mark.parametrize(
    ("url", "policy", "answer"),
    [
        ("https://ok.test/", EgressPolicy(), (True, "public address of an allowed host", "")),
        ("https://in.test/", EgressPolicy(), (False, "10.0.0.1 is not a public address", "")),
        ("https://none.test/", EgressPolicy(), (False, "none.test cannot be resolved", "")),
        ("https://ok.test:22/", EgressPolicy(), (False, "port 22 is not allowed", "")),
        ("https://ok.test/", EgressPolicy(rules=RULES), (False, "the rule rest denies it", "rest")),
        ("https://read.test/", EgressPolicy(rules=RULES), (True, "the rule read allows it", "read")),
        ("http://10.0.0.1:9/", EgressPolicy(allow_origins=("http://10.0.0.1:9",)), (True, "configured origin", "")),
    ],
)
async def test_what_would_happen(url: str, policy: EgressPolicy, answer: tuple[bool, str, str]) -> None:
    known = {"ok.test": ["1.1.1.1"], "read.test": ["1.1.1.1"], "in.test": ["1.1.1.1", "10.0.0.1"]}

    async def resolve(host: str, port: int) -> list[str]:
        del port
        if host not in known:
            raise OSError
        return known[host]

    found = await Explainer(policy, resolve).explain(url, "GET", NOBODY)
    assert (found.allowed, found.reason, found.rule) == answer


@pytest.mark.parametrize("url", ["ftp://a.test/", "nothing", "http://", "http://[::1"])
async def test_what_is_no_address(url: str) -> None:
    with pytest.raises(Invalid):
        await Explainer(EgressPolicy()).explain(url, "GET", NOBODY)


async def test_denials_are_events_and_everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    kept: list[tuple[str, str, JsonObject]] = []

    async def keep(tenant: str, run_id: str, body: JsonObject) -> None:
        if body["host"] == "broken.test":
            raise OSError
        kept.append((tenant, run_id, body))

    decisions = Decisions(keep)
    with caplog.at_level(logging.INFO):
        async with decisions.kept():
            with scoped(Scope("web.fetch", "acme", "run_1")):
                decisions(EgressDecision(True, "ok.test", 443, "fine", "1.1.1.1"))
                decisions(EgressDecision(False, "broken.test", 443, "no"))
                decisions(EgressDecision(False, "bad.test", 443, "no", rule="rest"))
            with scoped(Scope(PROOF)):
                decisions(EgressDecision(False, "127.0.0.1", 1, "no"))
    ((tenant, run_id, body),) = kept
    assert (tenant, run_id) == ("acme", "run_1")
    assert (body["host"], body["rule"], body["tool"], body["allowed"]) == ("bad.test", "rest", "web.fetch", False)
    logged = [record.getMessage() for record in caplog.records if record.name.endswith("telling")]
    assert logged[:3] == ["egress allowed", "egress denied", "egress denied"]
    assert "could not be written" in logged[3]


async def test_every_decision_when_asked_and_none_waits_for_room() -> None:
    kept: list[JsonObject] = []

    async def keep(tenant: str, run_id: str, body: JsonObject) -> None:
        del tenant, run_id
        kept.append(body)

    decisions = Decisions(keep, every=True)
    for _ in range(1100):
        decisions(EgressDecision(True, "ok.test", 443, "fine"))
    async with decisions.kept():
        pass
    assert len(kept) == 1000

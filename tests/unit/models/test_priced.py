"""Prices: who is priced, by what, and what costs nothing."""

from dataclasses import replace

import pytest

from ripieno.domain.messages import ModelRequest, Reply, TextDelta, UserMessage
from ripieno.domain.usage import Usage
from ripieno.models.priced import PricedModel
from ripieno.models.providers.prices import Price, PriceList, cost_usd
from ripieno.testing.scripted_model import ScriptedModel

REQUEST = ModelRequest("openai:gpt-4o-mini", (UserMessage("go"),))
MILLION = Reply("x", usage=Usage(input_tokens=1_000_000, calls=1), model="gpt-4o-mini", provider="openai")


async def priced(reply: Reply) -> Reply:
    seen = [event async for event in PricedModel(ScriptedModel([reply])).stream(REQUEST)]
    assert seen[:-1] == [TextDelta("x")]
    assert isinstance(seen[-1], Reply)
    return seen[-1]


async def test_a_hosted_model_has_its_list_price():
    answer = await priced(MILLION)
    assert 0.01 < answer.usage.cost_usd < 10
    assert replace(answer.usage, cost_usd=0.0) == MILLION.usage


async def test_cached_tokens_are_cheaper():
    cached = await priced(replace(MILLION, usage=Usage(input_tokens=1_000_000, cached_tokens=1_000_000, calls=1)))
    assert 0 < cached.usage.cost_usd < await cost_usd(MILLION)


async def test_the_address_decides_who_is_paid():
    official = replace(MILLION, metadata={"base_url": "https://api.openai.com/v1"})
    own = replace(MILLION, metadata={"base_url": "http://127.0.0.1:8080/v1"})
    assert await cost_usd(official) == await cost_usd(MILLION)
    assert await cost_usd(own) == 0.0


@pytest.mark.parametrize(
    ("provider", "model"), [("openai", "no-such-model"), ("nobody", "gpt-4o-mini"), ("offline", "offline")]
)
async def test_what_has_no_list_price_costs_nothing(provider: str, model: str):
    assert await cost_usd(replace(MILLION, provider=provider, model=model)) == 0.0


async def test_a_price_that_the_provider_gave_is_kept():
    assert (await priced(replace(MILLION, usage=replace(MILLION.usage, cost_usd=7.0)))).usage.cost_usd == 7.0


OWN = PriceList(
    {"openai:gpt-4o": Price(1.0, 2.0), "openai:mine": Price(0.0, 0.0), "ollama:gpu": Price(0.5, 0.5)},
    {"ollama": "http://127.0.0.1:11434"},
)


@pytest.mark.parametrize(
    ("model", "usd"),
    [
        ("offline", 0.0),
        ("openai:mine", 0.0),
        ("ollama:llama3.2", 0.0),
        ("ollama:gpu", 1.0),
        ("openai:gpt-4o", 3.0),
        ("openai:gpt-4o-2024-08-06", 3.0),
        ("openai:nobodys-model", None),
    ],
)
async def test_the_most_a_model_may_cost(model: str, usd: float | None):
    assert await OWN.most_usd(model, 1_000_000, 1_000_000) == usd


async def test_a_listed_model_has_a_price_but_not_on_a_machine_of_ones_own():
    listed = await PriceList().most_usd("openai:gpt-4o-mini", 1_000_000, 1_000_000)
    assert listed is not None
    assert 0.01 < listed < 10
    assert await PriceList().most_usd("openai:gpt-4o-mini", 1_000_000, 0) < listed  # pyright: ignore[reportOptionalOperand]
    own = PriceList(base_urls={"openai": "http://127.0.0.1:9/v1"})
    assert await own.most_usd("openai:gpt-4o-mini", 1000, 1000) is None


async def test_ones_own_price_counts_for_what_was_used():
    reply = replace(MILLION, model="gpt-4o-2024-08-06")
    used = reply.usage
    assert await OWN.cost_usd(reply) == (used.input_tokens + 2 * used.output_tokens) / 1_000_000
    assert await OWN.cost_usd(MILLION) == await cost_usd(MILLION)

"""The catalogue: who knows what about a model, who goes first, and what nobody knows."""

from dataclasses import replace

import pytest

from ripieno.domain.messages import ModelRequest, Reply, UserMessage
from ripieno.domain.usage import Usage
from ripieno.models.catalogue import Catalogue, ModelSaid, PriceSaid, Served
from ripieno.models.providers.prices import Price, PriceList

MILLION = 1_000_000


@pytest.mark.parametrize(
    ("model", "window"),
    [
        ("anthropic:claude-sonnet-5-5", 200_000),
        ("bedrock:us.anthropic.claude-3-5-sonnet-20241022-v2:0", 200_000),
        ("bedrock:amazon.nova-lite-v1:0", 300_000),
        ("openai:gpt-4o-mini", 128_000),
        ("openai:gpt-4", 8_192),
        ("openai:chatgpt-4o-latest", 128_000),
        ("ollama:llama3.2", None),
        ("openai:nobodys-model", None),
        ("nobody:nothing", None),
        ("offline", None),
    ],
)
def test_windows(model: str, window: int | None):
    assert Catalogue().window_of(model) == window


def test_settings_go_before_the_table_and_a_tenant_before_the_settings():
    catalogue = Catalogue(said={"openai:gpt-4o": ModelSaid(context_window=1000, tools=False)})
    catalogue.kept = {("acme", "openai:gpt-4o"): ModelSaid(context_window=2000)}
    facts = catalogue.facts("openai:gpt-4o-2024-08-06", "acme")
    assert (facts.context_window, facts.tools, facts.max_output_tokens) == (2000, False, 16_384)
    assert catalogue.window_of("openai:gpt-4o") == 1000
    assert catalogue.window_of("openai:gpt-4o", "acme") == 2000


async def test_a_price_that_a_tenant_gave_counts_for_it_alone():
    catalogue = Catalogue(PriceList({"openai:mine": Price(1.0, 1.0)}))
    catalogue.kept = {("acme", "openai:mine"): ModelSaid(price=PriceSaid(input=2.0, output=3.0))}
    assert await catalogue.most_usd("openai:mine", MILLION, MILLION) == 2.0
    asked = ModelRequest("openai:mine", (UserMessage("go"),), labels={"tenant": "acme"})
    assert await catalogue.most_of_request(asked, MILLION, MILLION) == 5.0
    reply = Reply("x", usage=Usage(MILLION, 0, calls=1), model="mine", provider="openai")
    assert await catalogue.cost_usd(reply, replace(asked, labels={})) == 1.0
    assert await catalogue.cost_usd(reply, asked) == 2.0


SERVED = {
    "west": Served("openai"),
    "own": Served("openai_compatible", "http://127.0.0.1:9/v1"),
    "gpu": Served("ollama", "http://gpu:11434"),
}


async def test_a_provider_of_a_tenant_is_priced_as_what_it_is():
    catalogue = Catalogue(served=lambda tenant, name: SERVED.get(name) if tenant == "acme" else None)
    listed = await catalogue.most_usd("openai:gpt-4o-mini", MILLION, MILLION)
    assert listed
    assert await catalogue.most_usd("west:gpt-4o-mini", MILLION, MILLION, "acme") == listed
    assert await catalogue.most_usd("own:gpt-4o-mini", MILLION, MILLION, "acme") is None
    assert await catalogue.most_usd("gpu:llama3.2", MILLION, MILLION, "acme") == 0.0
    assert await catalogue.most_usd("west:gpt-4o-mini", MILLION, MILLION, "other") is None
    assert catalogue.facts("west:gpt-4o-mini", "acme").tools is True

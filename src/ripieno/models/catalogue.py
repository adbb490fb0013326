"""What is known about models: how much they take and answer, what they understand, what they cost.

Most specific first: what an administrator of the tenant said, what the settings say, a small table of families, and the
list of prices, which knows windows too. What nobody knows is None, and no reason to leave a model out.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from ripieno.domain.jsons import JsonObject
from ripieno.domain.messages import ModelRequest, Reply
from ripieno.domain.usage import Usage
from ripieno.models.providers.prices import FREE, SNAPSHOT, Price, PriceList, listed_usd, listed_window

Modality: TypeAlias = Literal["text", "image", "audio", "video", "document"]
Tokens = Annotated[int, Field(ge=1, le=1_000_000_000)]
Dollars = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]


class PriceSaid(BaseModel):
    """Dollars for a million tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: Dollars
    output: Dollars


class ModelSaid(BaseModel):
    """What somebody says about a model; what is left out is as it is known otherwise."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    context_window: Tokens | None = None
    max_output_tokens: Tokens | None = None
    modalities: tuple[Modality, ...] | None = None
    tools: bool | None = None
    price: PriceSaid | None = None

    def said(self) -> JsonObject:
        """Only what is said."""
        return self.model_dump(mode="json", exclude_none=True)


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What is known about a model. `price` is only what somebody said; the list has its own way to count."""

    model: str
    context_window: int | None = None
    max_output_tokens: int | None = None
    modalities: tuple[str, ...] | None = None
    tools: bool | None = None
    price: Price | None = None


@dataclass(frozen=True, slots=True)
class Served:
    """Who answers under a provider's name: its kind, and the address where that is not the kind's own."""

    kind: str
    base_url: str | None = None


_SEES = ("text", "image")
_READS = ("text", "image", "document")
_HEARS = ("text", "image", "audio", "video", "document")

_FAMILIES: tuple[tuple[re.Pattern[str], ModelFacts], ...] = tuple(
    (re.compile(pattern), ModelFacts("", window, answer, modalities, tools=True))
    for pattern, window, answer, modalities in (
        (r"claude-3-(opus|sonnet|haiku)", 200_000, 4_096, _SEES),
        (r"claude-3-5", 200_000, 8_192, _READS),
        (r"claude-opus-4-[01]|claude-opus-4-2025", 200_000, 32_000, _READS),
        (r"claude", 200_000, 64_000, _READS),
        (r"gpt-3\.5-turbo", 16_385, 4_096, ("text",)),
        (r"gpt-4-turbo", 128_000, 4_096, _SEES),
        (r"gpt-4o", 128_000, 16_384, _READS),
        (r"gpt-4\.1", 1_047_576, 32_768, _READS),
        (r"gpt-4(-\d{4})?$", 8_192, 8_192, ("text",)),
        (r"gpt-5(-mini|-nano)?(-\d|$)", 400_000, 128_000, _READS),
        (r"o[134](-mini)?(-\d|$)", 200_000, 100_000, _READS),
        (r"gemini-[23]", 1_048_576, 65_536, _HEARS),
        (r"amazon\.nova-micro", 128_000, 10_000, ("text",)),
        (r"amazon\.nova-(lite|pro)", 300_000, 10_000, _HEARS),
    )
)
"""By the beginning of a model's name, behind the vendor's where Bedrock puts it."""

_VENDOR = re.compile(r"^(?:(?:us|eu|ap|apac|ca|global)\.)?(?:(?:anthropic|openai)\.)?")
_OFFLINE = ModelFacts("offline", modalities=("text",), tools=True, price=Price(0.0, 0.0))

_LISTED = {"openai_compatible": "openai", "bedrock": "aws"}
"""Kinds that the list of prices knows under another name."""


def _nobody(tenant: str, provider: str) -> Served | None:
    del tenant, provider
    return None


@dataclass(slots=True)
class Catalogue:
    """All that is known about models.

    `said` is what the settings say, by `provider:model`, and `kept` what administrators say, by tenant and model; both
    go before the rest. `served` tells who answers under a provider's name in a tenant.
    """

    prices: PriceList = field(default_factory=PriceList)
    said: Mapping[str, ModelSaid] = field(default_factory=dict[str, ModelSaid])
    kept: Mapping[tuple[str, str], ModelSaid] = field(default_factory=dict[tuple[str, str], ModelSaid])
    served: Callable[[str, str], Served | None] = _nobody

    def window_of(self, model: str, tenant: str = "") -> int | None:
        """How many tokens a model takes in all, or None where nobody knows."""
        facts = self.facts(model, tenant)
        if facts.context_window is not None:
            return facts.context_window
        provider, _, name = model.partition(":")
        kind = self._kind(provider, tenant)
        return None if kind in FREE or not name else listed_window(_LISTED.get(kind, kind), name)

    def facts(self, model: str, tenant: str = "") -> ModelFacts:
        """What is known without loading the list of prices."""
        facts = self._usual(model, tenant)
        bare = SNAPSHOT.sub("", model)
        kept = self.kept.get((tenant, model)) or self.kept.get((tenant, bare))
        for said in (self.said.get(model) or self.said.get(bare), kept):
            if said is not None:
                price = Price(said.price.input, said.price.output) if said.price else None
                given = {name: getattr(said, name) for name in said.said() if name != "price"}
                facts = replace(facts, **given, **({"price": price} if price else {}))
        return facts

    async def most_usd(self, model: str, sent: int, answered: int, tenant: str = "") -> float | None:
        """What a model asks for so many tokens, none of them cached; None where nobody knows."""
        facts = self.facts(model, tenant)
        if facts.price is not None:
            return facts.price.of(sent, answered)
        provider, _, name = model.partition(":")
        served = self.served(tenant, provider)
        if served is None:
            return await self.prices.most_usd(model, sent, answered)
        if served.kind in FREE:
            return 0.0
        return await listed_usd(_LISTED.get(served.kind, served.kind), name, Usage(sent, answered), served.base_url)

    async def most_of_request(self, request: ModelRequest, sent: int, answered: int) -> float | None:
        """The same for the model that a request names, in its tenant."""
        return await self.most_usd(request.model, sent, answered, str(request.labels.get("tenant", "")))

    async def cost_usd(self, reply: Reply, request: ModelRequest) -> float:
        """What a reply costs: as somebody said of the model that was asked for, else as the list says, else nothing."""
        provider = request.model.partition(":")[0]
        price = self.facts(f"{provider}:{reply.model}", str(request.labels.get("tenant", ""))).price
        if price is not None:
            return price.of(reply.usage.input_tokens, reply.usage.output_tokens)
        return await self.prices.cost_usd(reply)

    def _usual(self, model: str, tenant: str) -> ModelFacts:
        """What is known of the family. How much a server of one's own takes depends on how it was started."""
        provider, _, name = model.partition(":")
        kind = self._kind(provider, tenant)
        if kind == "offline":
            return _OFFLINE
        if kind == "ollama":
            return ModelFacts(model)
        bare = _VENDOR.sub("", name)
        found = next((facts for pattern, facts in _FAMILIES if pattern.match(bare)), ModelFacts(""))
        return replace(found, model=model)

    def _kind(self, provider: str, tenant: str) -> str:
        served = self.served(tenant, provider)
        return served.kind if served else provider

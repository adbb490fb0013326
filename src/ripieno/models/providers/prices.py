"""List prices of hosted models, from the genai-prices snapshot that is installed; nothing is downloaded."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType

from ripieno.domain.messages import Reply
from ripieno.domain.usage import Usage

SNAPSHOT = re.compile(r"-\d[\d-]*$")
"""The date at the end of the name of a model's snapshot."""

LISTED = {"bedrock": "aws"}
"""Providers that the list knows under another name."""

FREE = frozenset({"offline", "ollama", "scripted"})
"""Providers that ask for nothing, unless the settings say that they do."""


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars for a million tokens."""

    input: float
    output: float

    def of(self, sent: int, answered: int) -> float:
        """What so many tokens cost."""
        return (sent * self.input + answered * self.output) / 1_000_000


@dataclass(frozen=True, slots=True)
class PriceList:
    """The list, with prices of one's own before it, by `provider:model`; a snapshot of a model has its model's price.

    `base_urls` says which providers' requests go elsewhere than to them.
    """

    own: Mapping[str, Price] = field(default_factory=dict[str, Price])
    base_urls: Mapping[str, str] = field(default_factory=dict[str, str])

    async def cost_usd(self, reply: Reply) -> float:
        """The price of a reply, see `cost_usd`."""
        price = self._own(f"{reply.provider}:{reply.model}")
        return await cost_usd(reply) if price is None else price.of(reply.usage.input_tokens, reply.usage.output_tokens)

    async def most_usd(self, model: str, sent: int, answered: int) -> float | None:
        """What a model asks for so many tokens, none of them cached; None where nobody knows."""
        provider, _, name = model.partition(":")
        price = self._own(model)
        if price is not None:
            return price.of(sent, answered)
        if provider in FREE:
            return 0.0
        library = await _loaded()
        return _listed(library, name, Usage(sent, answered), _where(provider, self.base_urls.get(provider)))

    def _own(self, model: str) -> Price | None:
        return self.own.get(model) or self.own.get(SNAPSHOT.sub("", model))


async def listed_usd(provider: str, name: str, used: Usage, base_url: str | None = None) -> float | None:
    """What the list says of a model of a provider, or of whoever serves the address; None where it has none."""
    library = await _loaded()
    return _listed(library, name, used, _where(provider, base_url))


def listed_window(provider: str, name: str) -> int | None:
    """How many tokens a model of a provider takes, as the list says; the first call loads the list."""
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415

    try:
        _, model = get_snapshot().find_provider_model(name, None, provider, None)
    except LookupError:
        return None
    return model.context_window


async def cost_usd(reply: Reply) -> float:
    """The price of a reply in US dollars; 0.0 for models and servers that have no list price.

    A reply whose metadata has a `base_url` is priced by who serves that address, so that a model on one's own machine
    costs nothing whatever it is called.
    """
    if reply.provider in FREE:
        return 0.0
    library = await _loaded()
    url = reply.metadata.get("base_url")
    written = reply.metadata.get("cache_write_tokens")
    where = _where(reply.provider, str(url) if url else None)
    return _listed(library, reply.model, reply.usage, where, written if isinstance(written, int) else 0) or 0.0


@cache
def _library() -> ModuleType:
    """Importing it takes a third of a second, so only who pays does."""
    import genai_prices  # noqa: PLC0415

    return genai_prices


async def _loaded() -> ModuleType:
    """The library, at once where it is there already: a thread costs more than all that a price takes."""
    return _library() if _library.cache_info().currsize else await asyncio.to_thread(_library)


def _where(provider: str, base_url: str | None) -> dict[str, str]:
    return {"provider_api_url": base_url} if base_url else {"provider_id": LISTED.get(provider, provider)}


def _listed(library: ModuleType, model: str, usage: Usage, where: dict[str, str], written: int = 0) -> float | None:
    """The price; `written` are tokens that went into the provider's cache, which some ask more for."""
    counted = library.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cached_tokens,
        cache_write_tokens=written,
    )
    try:
        return float(library.calc_price(counted, model, **where).total_price)
    except LookupError:
        return None

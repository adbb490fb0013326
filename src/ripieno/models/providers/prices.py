"""List prices of hosted models, from the genai-prices snapshot that is installed; nothing is downloaded."""

import asyncio
from functools import cache
from types import ModuleType

from ripieno.domain.messages import Reply
from ripieno.domain.usage import Usage

FREE = frozenset({"offline", "scripted"})


async def cost_usd(reply: Reply) -> float:
    """The price of a reply in US dollars; 0.0 for models and servers that have no list price.

    A reply whose metadata has a `base_url` is priced by who serves that address, so that a model on one's own machine
    costs nothing whatever it is called.
    """
    if reply.provider in FREE:
        return 0.0
    library = await asyncio.to_thread(_library)
    url = reply.metadata.get("base_url")
    return _price(library, reply.model, reply.usage, reply.provider, str(url) if url else None)


@cache
def _library() -> ModuleType:
    """Importing it takes a third of a second, so only who pays does."""
    import genai_prices  # noqa: PLC0415

    return genai_prices


def _price(library: ModuleType, model: str, usage: Usage, provider: str, base_url: str | None) -> float:
    counted = library.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cached_tokens,
    )
    where = {"provider_api_url": base_url} if base_url else {"provider_id": provider}
    try:
        return float(library.calc_price(counted, model, **where).total_price)
    except LookupError:
        return 0.0

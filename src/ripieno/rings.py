"""The rings around models and tools, outermost first; `bootstrap.py` says what stands around them."""

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack

import httpx2

from ripieno.domain.errors import Invalid
from ripieno.engine.performers.own_tools import RESERVED
from ripieno.models.broken import BrokenModel
from ripieno.models.directory import ModelDirectory
from ripieno.models.priced import PricedModel
from ripieno.models.prompted import PromptedModel
from ripieno.models.providers.anthropic.model import AnthropicModel
from ripieno.models.providers.offline.model import OfflineModel
from ripieno.models.providers.ollama.model import OllamaModel
from ripieno.models.providers.openai.model import OpenAIModel
from ripieno.models.providers.prices import Price, PriceList
from ripieno.models.retried import RetriedModel
from ripieno.ports import Breakers, Clock, Model, Toolset
from ripieno.settings import Settings
from ripieno.tools import schemas
from ripieno.tools.bounded import BoundedToolset
from ripieno.tools.builtin.catalogue import builtin_toolsets
from ripieno.tools.egress.guard import guarded_client, prove
from ripieno.tools.egress.policy import EgressPolicy
from ripieno.tools.functions import FunctionToolset
from ripieno.tools.mcp import config as mcp_config
from ripieno.tools.mcp.toolset import McpToolset
from ripieno.tools.registry import ToolRegistry
from ripieno.tools.timed import TimedToolset
from ripieno.tools.validated import ValidatedToolset

PROVIDERS: Mapping[str, Callable[[httpx2.AsyncClient, str, str], Model]] = {
    "anthropic": AnthropicModel,
    "openai": OpenAIModel,
    "ollama": OllamaModel,
}


def price_list(settings: Settings) -> PriceList:
    """List prices, with those of the settings before them."""
    own = {name: Price(price.input, price.output) for name, price in settings.models.prices.items()}
    return PriceList(own, {name: each.base_url for name, each in settings.providers.items() if each.elsewhere})


async def ringed_models(
    settings: Settings, prices: PriceList, clock: Clock, breakers: Breakers, stack: AsyncExitStack
) -> Model:
    """directory(priced(prompted(broken(retried(provider))))) for each provider that has credentials."""
    providers: dict[str, Model] = {"offline": OfflineModel()}
    for name, server in settings.providers.items():
        url = httpx2.URL(server.base_url)
        origin = f"{url.scheme}://{url.netloc.decode()}"
        policy = EgressPolicy(allow_domains=(), allow_origins=(origin,), max_bytes=None, total_timeout=None)
        client = await stack.enter_async_context(guarded_client(policy))
        key = server.api_key.get_secret_value() if server.api_key else "none"
        retried = RetriedModel(PROVIDERS[name](client, key, server.base_url), clock, settings.models.attempts)
        prompted = PromptedModel(BrokenModel(retried, breakers), settings.models.prompted, clock)
        providers[name] = PricedModel(prompted, prices.cost_usd)
    return ModelDirectory(providers)


async def ringed_tools(
    settings: Settings, extra: Mapping[str, Toolset], clock: Clock, stack: AsyncExitStack
) -> Toolset:
    """registry(bounded(timed(validated(toolset)))) for each toolset, so that a slow one delays no other."""
    egress = settings.tools.egress
    policy = EgressPolicy(
        allow_domains=egress.allow_domains,
        deny_domains=egress.deny_domains,
        allow_origins=egress.allow_origins,
        max_bytes=egress.max_bytes,
    )
    client = await stack.enter_async_context(guarded_client(policy))
    await prove(client)
    toolsets: dict[str, Toolset] = {**builtin_toolsets(client, clock), **extra}
    for name, server in mcp_config.load(settings.config / "mcp_servers.yaml").items():
        if name in toolsets or name in RESERVED:
            raise Invalid(f"the MCP server {name} has the name of another toolset")
        toolsets[name] = await stack.enter_async_context(McpToolset(server, clock))
    limit = settings.tools.result_bytes
    ringed = {
        name: BoundedToolset(TimedToolset(ValidatedToolset(toolset, schemas.check), clock), limit)
        for name, toolset in toolsets.items()
    }
    return ToolRegistry(ringed, [name for name, toolset in toolsets.items() if isinstance(toolset, FunctionToolset)])

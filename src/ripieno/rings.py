"""The rings around models and tools, outermost first; `bootstrap.py` says what stands around them."""

from collections.abc import Callable, Collection, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

import httpx2
from pydantic import SecretStr

from ripieno import __version__
from ripieno.conditions import compile_condition
from ripieno.domain.breakers import BreakerRules
from ripieno.domain.operations import Record
from ripieno.engine.performers.own_tools import RESERVED
from ripieno.governance.personal_data import Finder
from ripieno.integrations.limits.opening import open_limiter
from ripieno.models.broken import Breakers, BrokenModel
from ripieno.models.catalogue import Catalogue
from ripieno.models.directory import ModelDirectory
from ripieno.models.documents import Documents, DocumentsAtHand
from ripieno.models.gateway import Gateway, Stops, keep_catalogue
from ripieno.models.latencies import Latencies
from ripieno.models.limited import HeededModel, LimitedModel, ModelLimit
from ripieno.models.priced import PricedModel
from ripieno.models.prompted import PromptedModel
from ripieno.models.providers.anthropic.model import AnthropicModel
from ripieno.models.providers.bedrock.model import Account, BedrockModel
from ripieno.models.providers.offline.model import OfflineModel
from ripieno.models.providers.ollama.model import OllamaModel
from ripieno.models.providers.openai.model import OpenAIModel
from ripieno.models.providers.prices import Price, PriceList
from ripieno.models.recorded import RecordedModel, Recording
from ripieno.models.records import Given, Kind, Making, Providers, ProviderSaid
from ripieno.models.redacted import RedactedModel, masking
from ripieno.models.retried import RetriedModel
from ripieno.models.routed import RoutedModel
from ripieno.models.routing import published
from ripieno.models.routing.published import Routes
from ripieno.models.routing.publishing import Publishing
from ripieno.models.routing.simulating import RecordedRequests, Simulating
from ripieno.ports import Clock, Limiter, Model, Secrets, Toolset
from ripieno.settings import Settings
from ripieno.settings.models import AnthropicSettings, BedrockSettings, OllamaSettings, OpenAISettings, ProviderSettings
from ripieno.settings.tools import EgressRule
from ripieno.store.breakers import StoredBreakers
from ripieno.store.portable.frame import Frames
from ripieno.tools import schemas
from ripieno.tools.builtin.catalogue import builtin_toolsets
from ripieno.tools.egress.backend import Observe
from ripieno.tools.egress.guard import guarded_client, prove
from ripieno.tools.egress.policy import EgressPolicy
from ripieno.tools.egress.proxy import Proxy
from ripieno.tools.egress.rules import Rule
from ripieno.tools.egress.scope import ScopedToolset
from ripieno.tools.egress.telling import Decisions, Keep
from ripieno.tools.functions import FunctionToolset
from ripieno.tools.joined import JoinedToolset
from ripieno.tools.mcp.loading import load
from ripieno.tools.mcp.servers import KeptServers, McpServers, Pins, Surroundings
from ripieno.tools.openapi.clients import ApiClients, Domains
from ripieno.tools.openapi.fetching import Sources
from ripieno.tools.openapi.imports import Apis, ImportedApis
from ripieno.tools.openapi.making import Maker
from ripieno.tools.openapi.toolset import Means
from ripieno.tools.plane import ToolPlane
from ripieno.tools.recorded import RecordedToolset
from ripieno.tools.registry import ToolRegistry
from ripieno.tools.rules import KeptRules, ToolRules
from ripieno.tools.sandbox.bubblewrap import BubblewrapSandbox
from ripieno.tools.sandbox.bubblewrap import Means as BubblewrapMeans
from ripieno.tools.sandbox.cgroups import ControlGroups
from ripieno.tools.sandbox.choosing import ChosenSandbox
from ripieno.tools.sandbox.contract import Limits, Sandbox
from ripieno.tools.sandbox.toolset import sandbox_toolset
from ripieno.tools.timed import TimedToolset
from ripieno.tools.validated import ValidatedToolset

MCP_FILE = "mcp_servers.yaml"


@dataclass(frozen=True, slots=True)
class Shared:
    """What all processes know together about those who are asked, and where it is told, if anywhere."""

    breakers: Breakers
    limiter: Limiter
    record: Record | None = None


async def shared_rings(settings: Settings, frames: Frames, clock: Clock, stack: AsyncExitStack) -> Shared:
    """Breakers in the database, limits in this process or over Redis, telemetry where it is wanted."""
    limiter = await stack.enter_async_context(open_limiter(settings.limits.redis, clock))
    breakers = StoredBreakers(frames, clock, BreakerRules())
    told = settings.telemetry
    if told.goes_to is None:
        return Shared(breakers, limiter)
    from ripieno.observability.telemetry import sending  # noqa: PLC0415 - heavy, and seldom wanted

    record = await stack.enter_async_context(sending(told.goes_to, __version__, told.metric_seconds))
    return Shared(breakers, limiter, record)


def price_list(settings: Settings) -> PriceList:
    """List prices, with those of the settings before them."""
    own = {name: Price(price.input, price.output) for name, price in settings.models.prices.items()}
    return PriceList(own, {name: each.base_url for name, each in settings.providers.items() if each.elsewhere})


def model_catalogue(settings: Settings) -> Catalogue:
    """What is known about models, with what the settings say before it."""
    return Catalogue(price_list(settings), settings.models.catalogue)


def windows(settings: Settings, gateway: Gateway) -> Callable[[str, str], int | None]:
    """How many tokens models take: as is known of them, else as the settings say of all; `offline` takes any number.

    A route takes as many as the settings say: which model it chooses is not known beforehand.
    """

    def window_of(model: str, tenant: str) -> int | None:
        resolved = gateway.providers.resolve(tenant, model) or model
        unknown = None if resolved == "offline" else settings.models.context_tokens
        return gateway.catalogue.window_of(resolved, tenant) or unknown

    return window_of


@dataclass(frozen=True, slots=True)
class Around:
    """What the rings around models stand on."""

    settings: Settings
    clock: Clock
    shared: Shared
    secrets: Secrets


async def open_gateway(around: Around, kept: Documents, recorded: RecordedRequests, stack: AsyncExitStack) -> Gateway:
    """The models of all tenants: those of the settings, and what administrators say while the platform runs."""
    settings, silence = around.settings, around.settings.models.timeout_seconds
    documents = await stack.enter_async_context(DocumentsAtHand(kept).watched(around.clock))
    catalogue, stops = model_catalogue(settings), Stops()
    keep_catalogue(documents, catalogue)
    given = {
        name: _given(name, each, await provider_of(each, silence, stack)) for name, each in settings.providers.items()
    }

    async def bare(said: ProviderSaid, key: str) -> Model:
        return await provider_of(_as_settings(said, key), silence, stack, said.headers)

    making = Making(bare, lambda model, whose: ringed_model(model, around, catalogue, whose))
    providers = Providers(documents, around.secrets, making, around.clock, given)
    catalogue.served = providers.served
    surroundings = published.Surroundings(catalogue, Latencies(), providers.resolve, stops)
    routes = Routes(documents, compile_condition, surroundings)
    model = ringed_models(given, around, providers, routes)
    publishing, simulating = Publishing(routes), Simulating(routes, recorded)
    return Gateway(model, documents, catalogue, providers, routes, publishing, simulating, stops)


def ringed_models(given: Mapping[str, Given], around: Around, providers: Providers, routes: Routes) -> Model:
    """routed(redacted(directory(ringed(provider)))), for each provider that can be asked.

    Whether a model is trusted with personal data is asked of the one that a route has chosen.
    """
    catalogue, own = routes.around.catalogue, around.settings.redaction
    directory: dict[str, Model] = {"offline": OfflineModel()}
    directory |= {name: ringed_model(each.bare, around, catalogue) for name, each in given.items()}
    redacted = RedactedModel(ModelDirectory(directory, providers.model), Finder(own.kinds), own.model, own.trusted)
    return RoutedModel(redacted, routes, around.clock)


def ringed_model(provider: Model, around: Around, catalogue: Catalogue, whose: str = "") -> Model:
    """priced(prompted(broken(limited(retried(heeded(provider)))))): what is around each, whoever configured it."""
    models, shared, clock = around.settings.models, around.shared, around.clock
    limits = {name: ModelLimit(each.rpm, each.tpm, each.concurrent) for name, each in models.limits.items()}
    retried = RetriedModel(HeededModel(provider, shared.limiter), clock, models.attempts)
    limited = LimitedModel(retried, limits, shared.limiter, clock)
    prompted = PromptedModel(BrokenModel(limited, shared.breakers, whose), models.prompted, clock)
    return PricedModel(prompted, catalogue.cost_usd)


def _given(name: str, server: ProviderSettings, bare: Model) -> Given:
    return Given(name, server.model, server.base_url, server.api_key is not None, bare)


_SETTINGS: Mapping[Kind, type[ProviderSettings]] = {
    "openai": OpenAISettings,
    "openai_compatible": OpenAISettings,
    "anthropic": AnthropicSettings,
    "bedrock": BedrockSettings,
    "ollama": OllamaSettings,
}


def _as_settings(said: ProviderSaid, key: str) -> ProviderSettings:
    """What an administrator said of a provider, as if it stood in the settings."""
    given = {"api_key": key or None, "base_url": said.base_url, "region": said.region, "model": said.model}
    return _SETTINGS[said.kind].model_validate({name: value for name, value in given.items() if value is not None})


def outer_rings(model: Model, settings: Settings, clock: Clock, shared: Shared) -> Model:
    """recorded(model), where somebody wants to be told."""
    if shared.record is None:
        return model
    clean = masking(Finder(settings.redaction.kinds)) if settings.telemetry.content else None
    return RecordedModel(model, Recording(shared.record, clock, clean))


def outer_tools(toolset: Toolset, settings: Settings, clock: Clock, shared: Shared) -> Toolset:
    """recorded(toolset), where somebody wants to be told."""
    if shared.record is None:
        return toolset
    clean = masking(Finder(settings.redaction.kinds)) if settings.telemetry.content else None
    return RecordedToolset(toolset, shared.record, clock, clean)


async def provider_of(
    server: ProviderSettings, silence: float, stack: AsyncExitStack, headers: Mapping[str, str] | None = None
) -> Model:
    """The provider itself, with `headers` of its own.

    `silence` (seconds) bounds the wait of one whose library cannot be told it for each call.
    """
    if isinstance(server, BedrockSettings):
        return BedrockModel(_account(server, silence))
    url = httpx2.URL(server.base_url)
    origin = f"{url.scheme}://{url.netloc.decode()}"
    policy = EgressPolicy(allow_domains=(), allow_origins=(origin,), max_bytes=None, total_timeout=None)
    client = await stack.enter_async_context(guarded_client(policy))
    client.headers.update(headers or {})
    key = _opened(server.api_key)
    if isinstance(server, AnthropicSettings):
        return AnthropicModel(client, key, server.base_url)
    if isinstance(server, OllamaSettings):
        return OllamaModel(client, key, server.base_url)
    return OpenAIModel(client, key, server.base_url, server.api if isinstance(server, OpenAISettings) else "chat")


def _account(server: BedrockSettings, silence: float) -> Account:
    return Account(
        region=server.region,
        api_key=_opened(server.api_key),
        access_key_id=server.access_key_id,
        secret_access_key=_opened(server.secret_access_key),
        session_token=_opened(server.session_token),
        profile=server.profile,
        base_url=server.base_url,
        timeout=silence,
    )


def _opened(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""


async def ringed_tools(
    settings: Settings,
    extra: Mapping[str, Toolset],
    clock: Clock,
    plane: ToolPlane,
    stack: AsyncExitStack,
    observe: Observe,
) -> ToolRegistry:
    """registry(rings(toolset)) for each toolset, so that a slow one delays no other."""
    client = await stack.enter_async_context(guarded_client(egress_policy(settings), observe=observe))
    await prove(client)
    toolsets: dict[str, Toolset] = {**builtin_toolsets(client, clock), **extra}
    way_out = Proxy(egress_policy(settings), observe) if settings.tools.sandbox.network else None
    sandboxed = sandbox_toolset(sandbox_of(settings, clock), sandbox_limits(settings), way_out)
    toolsets.setdefault("sandbox", sandboxed)
    ringed = {name: ringed_toolset(toolset, clock, plane) for name, toolset in toolsets.items()}
    return ToolRegistry(ringed, [name for name, toolset in toolsets.items() if isinstance(toolset, FunctionToolset)])


def egress_policy(settings: Settings) -> EgressPolicy:
    """Where tools may go."""
    egress = settings.tools.egress
    return EgressPolicy(
        allow_domains=egress.allow_domains,
        deny_domains=egress.deny_domains,
        allow_origins=egress.allow_origins,
        max_bytes=egress.max_bytes,
        rules=tuple(_rule(rule) for rule in egress.rules),
    )


def _rule(rule: EgressRule) -> Rule:
    return Rule(
        name=rule.name,
        allow=rule.action == "allow",
        domains=rule.domains,
        tools=rule.tools,
        tenants=rule.tenants,
        ports=rule.ports,
        methods=frozenset(method.upper() for method in rule.methods),
    )


def sandbox_of(settings: Settings, clock: Clock) -> Sandbox:
    """The sandbox that the settings ask for, the first that is safe where they leave it open."""
    wanted = settings.tools.sandbox
    drivers: dict[str, Sandbox] = {}
    if wanted.driver in {"auto", "bubblewrap"}:
        groups = ControlGroups(delegated=wanted.cgroup)
        drivers["bubblewrap"] = BubblewrapSandbox(BubblewrapMeans(clock, groups))
    return ChosenSandbox(drivers)


def sandbox_limits(settings: Settings) -> Limits:
    """What one call in the sandbox may use."""
    wanted = settings.tools.sandbox
    names = ("memory", "cpu_seconds", "seconds", "processes", "output", "disk", "open_files")
    return Limits(**{name: getattr(wanted, name) for name in names})


def ringed_toolset(toolset: Toolset, clock: Clock, plane: ToolPlane) -> Toolset:
    """scoped(broken(timed(validated(limited(retried(ruled(toolset))))))); functions of this process without broken.

    A function fails for the sake of what it is asked (a host that is down), so its failures say nothing about the next
    call.
    """
    timed = TimedToolset(ValidatedToolset(plane.inner(toolset, clock), schemas.check), clock)
    return ScopedToolset(timed if isinstance(toolset, FunctionToolset) else plane.outer(timed))


def imported_apis(
    settings: Settings,
    kept: tuple[Apis, Observe],
    means: Means,
    plane: ToolPlane,
    taken: Collection[str],
    stack: AsyncExitStack,
) -> ImportedApis:
    """What tenants import, with the same rings as all tools; not loaded yet."""
    known, observe = kept
    egress = settings.tools.egress
    clients = ApiClients(Domains(egress.allow_domains, egress.deny_domains, egress_policy(settings).rules), observe)
    stack.push_async_callback(clients.aclose)

    def around(toolset: Toolset) -> Toolset:
        return ringed_toolset(toolset, means.clock, plane)

    sources = Sources(clients.fetching, settings.config)
    return ImportedApis(known, Maker(clients.of, means), sources, taken, around)


@dataclass(frozen=True, slots=True)
class KeptTools:
    """Where what is known about tools is kept."""

    apis: Apis
    rules: KeptRules
    breakers: Breakers
    decisions: Keep
    servers: KeptServers
    pins: Pins


@dataclass(frozen=True, slots=True)
class ToolsOfAll:
    """The tools, those of them that can be changed, and what is known about all."""

    tools: Toolset
    apis: ImportedApis
    mcp: McpServers
    plane: ToolPlane


def mcp_servers(
    settings: Settings,
    kept: KeptTools,
    means: Means,
    plane: ToolPlane,
    scrub: Callable[[str], str],
    taken: Callable[[str, str], bool],
) -> McpServers:
    """The servers of the file and of tenants, with the same rings as all tools; not connected yet."""

    def around(toolset: Toolset) -> Toolset:
        return ringed_toolset(toolset, means.clock, plane)

    surroundings = Surroundings(
        clock=means.clock,
        secrets=means.secrets,
        around=around,
        file=settings.config / MCP_FILE,
        taken=taken,
        allow_new=settings.tools.mcp.new_tools == "allow",
        stdio_over_api=settings.tools.mcp.stdio_over_api,
        scrub=scrub,
    )
    return McpServers(kept.servers, kept.pins, surroundings)


async def tools_of_all(
    settings: Settings,
    extra: Mapping[str, Toolset],
    kept: KeptTools,
    means: Means,
    scrub: Callable[[str], str],
    stack: AsyncExitStack,
) -> ToolsOfAll:
    """joined(registry, imported, servers): the tools of everybody, of APIs that a tenant imported, of MCP servers."""
    decisions = Decisions(kept.decisions, every=settings.tools.egress.record_allowed)
    await stack.enter_async_context(decisions.kept())
    rules = await stack.enter_async_context(ToolRules(kept.rules).watched(means.clock))
    plane = ToolPlane(rules, kept.breakers)
    registry = await ringed_tools(settings, extra, means.clock, plane, stack, decisions)
    names = {*registry.names, *RESERVED}
    in_file = load(settings.config / MCP_FILE)
    apis = imported_apis(settings, (kept.apis, decisions), means, plane, [*names, *in_file], stack)

    def taken(tenant: str, name: str) -> bool:
        return name in names or apis.toolset(tenant, name) is not None

    servers = mcp_servers(settings, kept, means, plane, scrub, taken)
    await stack.enter_async_context(apis.watched(means.clock))
    await stack.enter_async_context(servers.watched())
    joined = JoinedToolset(registry, apis, servers, settled=servers.settled)
    return ToolsOfAll(joined, apis, servers, replace(plane, problems=registry.problems))

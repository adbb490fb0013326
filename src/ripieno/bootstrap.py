"""Settings in, running platform out. The map of the program: every ring and every port is put together here."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path

from ripieno import __version__
from ripieno.clock import SystemClock
from ripieno.domain.interrupts import EVERYBODY, Terms
from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.principals import Principal
from ripieno.engine.admission import ANY_DEPTH, Admission, Depths
from ripieno.engine.api import Engine
from ripieno.engine.core.offering import USUAL_ROOM, Room
from ripieno.engine.direct import DirectCalls
from ripieno.engine.halting import Halting
from ripieno.engine.intake import Intake, Options
from ripieno.engine.opening import Opening, OwnModel, Surroundings, WindowOf, no_own_model
from ripieno.engine.past.past import Past
from ripieno.engine.performers.children import ChildPerformer
from ripieno.engine.performers.models import ModelPerformer
from ripieno.engine.performers.own_tools import OwnToolPerformer
from ripieno.engine.performers.people import PeoplePerformer
from ripieno.engine.performers.permits import Permits
from ripieno.engine.performers.reading import ReadingPerformer
from ripieno.engine.performers.spending import Checks, MostUsd, Spending
from ripieno.engine.performers.tools import ToolPerformer
from ripieno.engine.performers.undoing import UndoPerformer
from ripieno.engine.performers.waiting import WaitPerformer
from ripieno.engine.post import Counters, PostOffice
from ripieno.engine.publishing import Publishing
from ripieno.engine.receiving import Receiving
from ripieno.engine.replaying import Replaying
from ripieno.engine.reporting import work_and_report
from ripieno.engine.rounds import Chore, make_rounds
from ripieno.engine.runner import Performers, Runner
from ripieno.engine.schedules import Scheduler
from ripieno.engine.stores import Events, Mailboxes, Schedules
from ripieno.engine.worker import Worker
from ripieno.governance.access import StaticAccess, refuse_insecure
from ripieno.governance.budgets import LeasedBudgets
from ripieno.governance.envelope import EnvelopeCipher
from ripieno.governance.risk import RiskGate
from ripieno.governance.scrubbing import Scrubber, WatchedSecrets
from ripieno.governance.tenancy import Tenants
from ripieno.keeping import keyring, nobody, open_stored, stored_artifacts
from ripieno.models.attached import AttachedModel
from ripieno.models.broken import Breakers
from ripieno.models.catalogue import Catalogue
from ripieno.models.gateway import Gateway
from ripieno.observability import logs
from ripieno.ports import (
    Artifacts,
    Clock,
    DeadLetters,
    Definitions,
    Dispatch,
    Gate,
    Halts,
    History,
    Journal,
    Model,
    Outbox,
    Records,
    SchemaCheck,
    Secrets,
    Toolset,
    Workers,
)
from ripieno.rings import (
    Around,
    KeptTools,
    Shared,
    ToolsOfAll,
    egress_policy,
    open_gateway,
    outer_rings,
    outer_tools,
    shared_rings,
    tools_of_all,
    windows,
)
from ripieno.server.app import create_app
from ripieno.server.replies import Replies
from ripieno.server.services import HttpConfig, Services
from ripieno.server.serving import bind, serving, url_of
from ripieno.settings import Settings
from ripieno.store.apis import StoredApis
from ripieno.store.budgets import StoredBooks
from ripieno.store.dead_letters import StoredDeadLetters
from ripieno.store.definitions import FileDefinitions
from ripieno.store.egress_events import StoredEgressEvents
from ripieno.store.events import StoredEvents
from ripieno.store.halts import StoredHalts
from ripieno.store.mailboxes import StoredMailboxes
from ripieno.store.mcp_pins import StoredMcpPins
from ripieno.store.mcp_servers import StoredMcpServers
from ripieno.store.model_documents import StoredModelDocuments
from ripieno.store.outbox import StoredOutbox
from ripieno.store.portable.frame import Frames
from ripieno.store.recorded_requests import StoredRequests
from ripieno.store.retention import Retention
from ripieno.store.schedules import StoredSchedules
from ripieno.store.secrets import StoredSecrets
from ripieno.store.tenants import StoredTenants
from ripieno.store.tool_rules import StoredToolRules
from ripieno.store.workers_local import LocalWorkers
from ripieno.tools import schemas
from ripieno.tools.bounded import BoundedToolset
from ripieno.tools.egress.explaining import Explainer
from ripieno.tools.mcp.servers import McpServers
from ripieno.tools.names import select
from ripieno.tools.openapi.imports import ImportedApis
from ripieno.tools.openapi.toolset import Means
from ripieno.tools.plane import ToolPlane
from ripieno.tools.scrubbed import ScrubbedToolset
from ripieno.tools.watched import WatchedToolset


@dataclass(frozen=True, slots=True)
class Operating:
    """The ports of those who look after a running platform."""

    dead_letters: DeadLetters
    halts: Halts
    outbox: Outbox
    schedules: Schedules
    mailboxes: Mailboxes
    events: Events
    tenants: Tenants
    retention: Retention | None = None

    @classmethod
    def on(cls, frames: Frames) -> "Operating":
        """Stored in a database."""
        return cls(
            dead_letters=StoredDeadLetters(frames),
            halts=StoredHalts(frames),
            outbox=StoredOutbox(frames),
            schedules=StoredSchedules(frames),
            mailboxes=StoredMailboxes(frames),
            events=StoredEvents(frames),
            tenants=StoredTenants(frames),
        )


@dataclass(frozen=True, slots=True)
class Ports:
    """What stands in each port. Tests put fakes from `ripieno.testing` here."""

    clock: Clock
    dispatch: Dispatch
    journal: Journal
    records: Records
    replies: Replies
    history: History
    operating: Operating
    definitions: Definitions
    secrets: Secrets
    artifacts: Artifacts
    budgets: LeasedBudgets
    model: Model
    tools: Toolset
    apis: ImportedApis
    plane: ToolPlane
    mcp: McpServers
    gate: Gate
    check: SchemaCheck
    workspaces: Path
    default_model: str
    own_model: OwnModel = no_own_model
    model_seconds: float = 120.0
    window_of: WindowOf = Catalogue().window_of
    approvals: Terms = EVERYBODY
    gateway: Gateway | None = None
    most_usd: MostUsd = Catalogue().most_of_request
    run_limits: JsonObject = field(default_factory=dict[str, Json])
    workers: Workers = field(default_factory=LocalWorkers)
    depths: Depths = ANY_DEPTH
    room: Room = USUAL_ROOM


@dataclass(frozen=True, slots=True)
class Platform:
    """A running platform: the engine to talk to, the worker that works, and the ports below them.

    `chores` are what comes round every second. `announce` tells other processes on this machine where the platform
    can be reached.
    """

    ports: Ports
    engine: Engine
    past: Past
    direct: DirectCalls
    worker: Worker
    halting: Halting
    replaying: Replaying
    scheduler: Scheduler
    post: PostOffice
    receiving: Receiving
    publishing: Publishing
    chores: Mapping[str, Chore]
    announce: Callable[[str], None] = nobody


def assemble(ports: Ports, options: Options) -> Platform:
    """Put the engine together; nothing runs yet."""
    around = Surroundings(
        definitions=ports.definitions,
        records=ports.records,
        tools=ports.tools,
        check=ports.check,
        select=select,
        workspaces=ports.workspaces,
        admission=Admission(ports.records, ports.clock, ports.depths),
        artifacts=ports.artifacts,
        default_model=ports.default_model,
        own_model=ports.own_model,
        model_seconds=ports.model_seconds,
        window_of=ports.window_of,
        run_limits=ports.run_limits,
        room=ports.room,
    )
    halting = Halting(ports.operating.halts, ports.clock)
    if ports.gateway is not None:
        ports.gateway.stops.ask = halting.over_model
    people = PeoplePerformer(ports.clock, ports.approvals)
    permits = Permits(ports.gate, ports.check, people)
    children = ChildPerformer(ports.definitions)
    checks = Checks(halting, Spending(ports.budgets, ports.most_usd, people))
    counters = Counters(ports.operating.mailboxes, ports.journal, ports.records, ports.definitions)
    post = PostOffice(counters, ports.clock)
    waits = WaitPerformer(post, ports.operating.events, ports.clock)
    own_tools = OwnToolPerformer(people, children, waits, ReadingPerformer(ports.artifacts, ports.records))
    performers = Performers(
        models=ModelPerformer(ports.model, ports.dispatch, ports.clock, checks),
        tools=ToolPerformer(ports.tools, own_tools, permits, people, ports.clock, checks),
        children=children,
        undo=UndoPerformer(ports.history),
    )
    opening = Opening(around, ports.clock)
    runner = Runner(ports.journal, ports.records, opening, performers, ports.clock, halting)
    intake = Intake(ports.journal, ports.definitions, ports.clock, options)
    worker = Worker(intake, ports.records, runner, ports.dispatch, ports.clock, options)
    engine = Engine(ports.journal, around, ports.gate, ports.dispatch, ports.clock, halting)
    past = Past(ports.history, around, opening, ports.clock)
    direct = DirectCalls(engine, ports.history, ports.check, ports.clock)
    replaying = Replaying(ports.operating.dead_letters, direct, ports.definitions, ports.clock)
    scheduler = Scheduler(ports.operating.schedules, ports.definitions, ports.clock, around.admission)
    receiving = Receiving(ports.operating.mailboxes, ports.definitions, ports.dispatch, ports.clock)
    publishing = Publishing(ports.operating.events, ports.clock)
    chores: dict[str, Chore] = {"schedules": scheduler.turn, "mailboxes": post.stir, "events": publishing.turn}
    return Platform(
        ports, engine, past, direct, worker, halting, replaying, scheduler, post, receiving, publishing, chores
    )


@asynccontextmanager
async def running(platform: Platform) -> AsyncGenerator[Platform]:
    """Work until the block ends, then drain."""
    budgets = platform.ports.budgets
    await budgets.load()
    async with _forever(budgets.run(), "budgets"), asyncio.TaskGroup() as group:
        group.create_task(work_and_report(platform.worker, platform.ports.workers, platform.ports.clock), name="worker")
        rounds = group.create_task(make_rounds(platform.chores, platform.ports.clock))
        try:
            yield platform
        finally:
            rounds.cancel()
            platform.worker.stop()
    await budgets.close()


@dataclass(frozen=True, slots=True)
class Extras:
    """What a program that embeds the platform adds: toolsets by name, and a model in place of all providers.

    Without `work` it only looks and decides: runs stay where they are. Without `ticks` no schedule starts any.
    """

    toolsets: Mapping[str, Toolset] = field(default_factory=dict[str, Toolset])
    model: Model | None = None
    work: bool = True
    ticks: bool = True


@asynccontextmanager
async def opened(settings: Settings, extras: Extras | None = None) -> AsyncGenerator[Platform]:
    """This process's part of the platform: on SQLite in the data folder all of it, on PostgreSQL what its role says.

    Raises:
        StoreBusy: Another process holds the data folder; the sentence names it.
        Invalid: A configuration file is wrong, or the database is not as this version needs it.
    """
    extras = extras or Extras()
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        store = await open_stored(settings, clock, stack)
        definitions = FileDefinitions([_shipped_agents(), settings.config / "agents"], clock)
        await definitions.load()
        artifacts = stored_artifacts(settings, store.frames, clock)
        retention = Retention(store.frames, clock, settings.retention.kept(), settings.data / "archive", artifacts)
        scrubber = Scrubber()
        shared = await shared_rings(settings, store.frames, clock, stack)
        logs.scrub_with(scrubber.text)
        budgets = LeasedBudgets(StoredBooks(store.frames), clock, tuple(settings.budgets.of_tenants()))
        secrets = WatchedSecrets(StoredSecrets(store.frames, EnvelopeCipher(keyring(settings))), scrubber)
        kept = StoredModelDocuments(store.frames), StoredRequests(store.frames)
        gateway = await open_gateway(Around(settings, clock, shared, secrets), *kept, stack)
        means = Means(secrets, clock, schemas.check)
        all_tools = await tools_of_all(
            settings, extras.toolsets, _kept_tools(store.frames, shared.breakers), means, scrubber.text, stack
        )
        ports = Ports(
            clock=clock,
            dispatch=store.dispatch,
            journal=store.journal,
            records=store.records,
            replies=store.replies,
            history=store.history,
            operating=replace(Operating.on(store.frames), retention=retention),
            definitions=definitions,
            secrets=secrets,
            artifacts=artifacts,
            budgets=budgets,
            model=AttachedModel(outer_rings(extras.model or gateway.model, settings, clock, shared), artifacts),
            tools=_around_all(all_tools, scrubber, settings, artifacts, clock, shared),
            apis=all_tools.apis,
            plane=all_tools.plane,
            mcp=all_tools.mcp,
            gate=RiskGate(settings.tools.ask_from),
            check=schemas.check,
            workspaces=settings.data / "workspaces",
            default_model=settings.default_model,
            own_model=gateway.providers.default_of if settings.offline_by_default else no_own_model,
            model_seconds=settings.models.timeout_seconds,
            window_of=windows(settings, gateway),
            approvals=settings.approvals.terms(),
            gateway=gateway,
            most_usd=gateway.catalogue.most_of_request if extras.model else gateway.routes.most_usd,
            run_limits=settings.budgets.run.model_dump(),
            workers=store.workers,
            room=Room(settings.tools.max_offered, settings.tools.max_offered_tokens),
            depths=Depths(settings.limits.queued, settings.limits.tenant_queued),
        )
        await store.journal.recover()
        if settings.database_url is None:
            await budgets.reclaim_all()
        await stack.enter_async_context(_forever(definitions.watch(), "definitions"))
        platform = replace(assemble(ports, _options(settings)), announce=store.announce)
        if not extras.ticks:
            chores = {name: chore for name, chore in platform.chores.items() if name != "schedules"}
            platform = replace(platform, chores=chores)
        await _set_going(platform, settings, stack, work=extras.work)
        yield platform


async def _set_going(platform: Platform, settings: Settings, stack: AsyncExitStack, *, work: bool) -> None:
    """Watch halts, prune, tick and work until the stack ends, as far as the role of this process goes."""
    await platform.halting.refresh()
    await stack.enter_async_context(_forever(platform.halting.watch(), "halts"))
    retention = platform.ports.operating.retention
    if work and retention is not None and settings.role in {"all", "scheduler"}:
        await stack.enter_async_context(_forever(retention.keep_up(), "retention"))
    if work and settings.role != "api":
        await platform.scheduler.keep()
        await stack.enter_async_context(running(platform))


def _around_all(
    found: ToolsOfAll, scrubber: Scrubber, settings: Settings, artifacts: Artifacts, clock: Clock, shared: Shared
) -> Toolset:
    """bounded(watched(recorded(scrubbed(tools))))."""
    recorded = outer_tools(ScrubbedToolset(found.tools, scrubber.value), settings, clock, shared)
    return BoundedToolset(
        WatchedToolset(recorded, found.plane.histories, clock), settings.tools.result_bytes, artifacts
    )


def _kept_tools(frames: Frames, breakers: Breakers) -> KeptTools:
    rules, decisions = StoredToolRules(frames), StoredEgressEvents(frames).keep
    servers, pins = StoredMcpServers(frames), StoredMcpPins(frames)
    return KeptTools(StoredApis(frames), rules, breakers, decisions, servers, pins)


def _options(settings: Settings) -> Options:
    """How this process works: a scheduler takes no runs."""
    given = {
        **settings.worker.model_dump(),
        **settings.limits.model_dump(include={"tenant_running", "agent_running", "deaths"}),
    }
    return Options(**given | ({"slots": 0} if settings.role == "scheduler" else {}))


def services(platform: Platform, settings: Settings | None = None) -> Services:
    """What the HTTP door stands on."""
    settings = settings or Settings()
    config = HttpConfig(
        host=settings.host,
        port=settings.port,
        body_bytes=settings.body_bytes,
        file_bytes=settings.artifacts.max_bytes,
        allowed_hosts=settings.allowed_hosts,
        version=__version__,
        default_model=platform.ports.default_model,
    )
    return Services(
        engine=platform.engine,
        past=platform.past,
        scheduler=platform.scheduler,
        direct=platform.direct,
        post=platform.post,
        receiving=platform.receiving,
        publishing=platform.publishing,
        records=platform.ports.records,
        workers=platform.ports.workers,
        replies=platform.ports.replies,
        dead_letters=platform.ports.operating.dead_letters,
        replaying=platform.replaying,
        halting=platform.halting,
        outbox=platform.ports.operating.outbox,
        retention=platform.ports.operating.retention,
        definitions=platform.ports.definitions,
        secrets=platform.ports.secrets,
        tenants=platform.ports.operating.tenants,
        apis=platform.ports.apis,
        plane=platform.ports.plane,
        artifacts=platform.ports.artifacts,
        mcp=platform.ports.mcp,
        budgets=platform.ports.budgets,
        gateway=platform.ports.gateway,
        clock=platform.ports.clock,
        access=_access(settings),
        egress=Explainer(egress_policy(settings)),
        config=config,
    )


def _access(settings: Settings) -> StaticAccess:
    auth = settings.auth
    key = auth.admin_key.get_secret_value() if auth.admin_key else None
    people = {
        person.key.get_secret_value(): Principal(name, person.tenant, person.roles)
        for name, person in auth.keys.items()
    }
    return StaticAccess(settings.host, auth.mode, key, people)


@asynccontextmanager
async def serving_platform(
    settings: Settings, extras: Extras | None = None, listener: socket.socket | None = None
) -> AsyncGenerator[tuple[str, Platform]]:
    """The platform with its HTTP door open: its URL, and the platform behind it.

    Raises:
        StoreBusy, Invalid: See `opened`; `Invalid` also for an address that is insecure or cannot be had.
    """
    refuse_insecure(settings.host, settings.auth.mode, has_key=settings.auth.has_key)
    with listener or bind(settings.host, settings.port) as bound:
        async with opened(settings, extras) as platform:
            door = services(platform, settings)
            async with serving(create_app(door), bound, settings.worker.drain_seconds):
                platform.announce(url_of(bound))
                try:
                    yield url_of(bound), platform
                finally:
                    door.stopping.set()
                    platform.worker.stop()


@asynccontextmanager
async def served(settings: Settings, *, work: bool) -> AsyncGenerator[str]:
    """A platform in this process, on a loopback port of its own, for a command that found no server."""
    own = settings.model_copy(update={"host": "127.0.0.1", "port": 0})
    async with serving_platform(own, Extras(work=work, ticks=False)) as (url, _):
        yield url


@asynccontextmanager
async def _forever(work: Coroutine[None, None, None], name: str) -> AsyncGenerator[None]:
    """Run something that never ends beside the block, and cancel it after."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(work, name=name)
        try:
            yield
        finally:
            task.cancel()


def _shipped_agents() -> Path:
    return Path(str(resources.files("ripieno"))) / "catalog" / "agents"

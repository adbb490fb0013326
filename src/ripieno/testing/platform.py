"""A whole platform in memory, for tests of agents: real engine and worker, fake everything around them."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ripieno import bootstrap
from ripieno.bootstrap import Operating, Platform, Ports
from ripieno.clock import SystemClock
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.tools import Risk
from ripieno.engine.worker import Options
from ripieno.governance.budgets import LeasedBudgets
from ripieno.governance.risk import RiskGate
from ripieno.ports import Clock, Model, Toolset
from ripieno.store.dispatch_local import LocalDispatch
from ripieno.testing.given_definitions import GivenDefinitions
from ripieno.testing.memory_apis import apis_in_memory
from ripieno.testing.memory_artifacts import MemoryArtifacts
from ripieno.testing.memory_gateway import gateway_in_memory
from ripieno.testing.memory_journal import MemoryStore
from ripieno.testing.memory_mcp import mcp_in_memory
from ripieno.testing.memory_secrets import MemorySecrets
from ripieno.testing.memory_tool_rules import plane_in_memory
from ripieno.tools import schemas
from ripieno.tools.joined import JoinedToolset
from ripieno.tools.watched import WatchedToolset


def in_memory(
    model: Model,
    tools: Toolset,
    agents: Sequence[AgentDefinition],
    workspaces: Path,
    *,
    clock: Clock | None = None,
    options: Options | None = None,
) -> Platform:
    """Put the platform together; nothing runs yet."""
    clock, dispatch = clock or SystemClock(), LocalDispatch()
    store, secrets = MemoryStore(clock, dispatch), MemorySecrets(clock)
    plane = plane_in_memory(clock)
    apis, mcp = apis_in_memory(clock, secrets), mcp_in_memory(clock, secrets)
    ports = Ports(
        clock=clock,
        dispatch=dispatch,
        journal=store.journal,
        records=store.records,
        replies=store.replies,
        history=store.history,
        operating=Operating(
            store.dead_letters, store.halts, store.outbox, store.schedules, store.mailboxes, store.events, store.tenants
        ),
        definitions=GivenDefinitions(agents),
        secrets=secrets,
        artifacts=MemoryArtifacts(clock),
        budgets=LeasedBudgets(store.books, clock),
        model=model,
        tools=WatchedToolset(plane.inner(JoinedToolset(tools, apis, mcp), clock), plane.histories, clock),
        apis=apis,
        plane=plane,
        mcp=mcp,
        gate=RiskGate(Risk.HIGH),
        check=schemas.check,
        workspaces=workspaces,
        default_model="scripted",
        gateway=gateway_in_memory(model, clock, secrets),
    )
    return bootstrap.assemble(ports, options or Options())


@asynccontextmanager
async def running_in_memory(
    model: Model, tools: Toolset, agents: Sequence[AgentDefinition]
) -> AsyncGenerator[Platform]:
    """The same, working until the block ends, with a workspace that is thrown away."""
    with TemporaryDirectory() as folder:
        async with bootstrap.running(in_memory(model, tools, agents, Path(folder))) as platform:
            yield platform

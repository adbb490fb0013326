"""All MCP servers of a platform: those of its file and those that tenants added, connected to in every process."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from ripieno.domain.errors import Conflict, Forbidden, Invalid, ManagedByFile, NotFound, Problem, Rejected, RipienoError
from ripieno.domain.jsons import JsonObject
from ripieno.domain.mcp_servers import EVERYBODY, KeptServer, OfferedTool, ServerMark, ToolPin
from ripieno.domain.principals import DEFAULT_TENANT, Principal
from ripieno.domain.tools import ToolSpec
from ripieno.ports import Clock, Secrets, Toolset
from ripieno.tools.mcp.config import ServerConfig, parsed, said
from ripieno.tools.mcp.connection import Means
from ripieno.tools.mcp.loading import load
from ripieno.tools.mcp.toolset import McpToolset

_log = logging.getLogger(__name__)

POLL_SECONDS = 2.0
FIRST_SECONDS = 10.0
"""How long whoever lists tools waits for servers that were never connected to."""

LONGEST_NAME = 32

Place = tuple[str, str]


class KeptServers(Protocol):
    """Where servers are kept that were added over the API; each change is audited."""

    async def marks(self) -> Sequence[ServerMark]:
        """Which there are, of all tenants."""
        ...

    async def get(self, tenant: str, name: str) -> KeptServer:
        """One of them. Raises `NotFound` with near names."""
        ...

    async def add(self, principal: Principal, name: str, config: JsonObject) -> KeptServer:
        """Keep a new one. Raises `Conflict` where there is one of that name."""
        ...

    async def change(self, principal: Principal, name: str, config: JsonObject) -> KeptServer:
        """Keep it otherwise. Raises `NotFound`."""
        ...

    async def delete(self, principal: Principal, name: str) -> None:
        """Forget one, and what was accepted of it. Raises `NotFound`."""
        ...


class Pins(Protocol):
    """What was accepted of the tools of servers."""

    async def sighted(
        self, tenant: str, server: str, offered: Sequence[OfferedTool], *, allow_new: bool
    ) -> Mapping[str, ToolPin]:
        """Write down what a server offers, and answer what is known of each tool after that."""
        ...

    async def pins(self, tenant: str, server: str) -> Mapping[str, ToolPin]:
        """What is known of a server's tools, by name."""
        ...

    async def accept(self, principal: Principal, tenant: str, server: str, tool: str) -> ToolPin:
        """Accept what is offered now. Raises `NotFound` with near names."""
        ...

    async def last_accepted(self) -> datetime | None:
        """When something was accepted last, by anybody."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What servers stand in: the rings around each, the file of everybody's, and what an administrator allows.

    `taken` are names of other toolsets of a tenant.
    """

    clock: Clock
    secrets: Secrets
    around: Callable[[Toolset], Toolset]
    file: Path | None = None
    taken: Callable[[str, str], bool] = lambda _tenant, _name: False
    allow_new: bool = True
    stdio_over_api: bool = False
    scrub: Callable[[str], str] = str


@dataclass(frozen=True, slots=True)
class Running:
    """A server that this process is connected to, or tries to be."""

    version: str
    config: ServerConfig
    toolset: McpToolset
    ringed: Toolset
    owner: asyncio.Task[None]


@dataclass(frozen=True, slots=True)
class ShownServer:
    """A server with all that can be told of it. Without `kept` a file defines it; `problem` says why it is not used."""

    name: str
    config: ServerConfig | None
    running: Running | None = None
    kept: KeptServer | None = None
    pins: Mapping[str, ToolPin] = field(default_factory=dict[str, ToolPin])
    problem: str = ""


class McpServers:
    """Everybody's and each tenant's. Enter `watched` before anything is used."""

    def __init__(self, kept: KeptServers, pins: Pins, surroundings: Surroundings) -> None:
        self._kept = kept
        self._pins = pins
        self._around = surroundings
        self._running: dict[Place, Running] = {}
        self._broken: dict[Place, tuple[str, str]] = {}
        self._merged: dict[str, tuple[tuple[Sequence[ToolSpec], ...], Sequence[ToolSpec]]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._refreshing = asyncio.Lock()
        self._last_accepted: datetime | None = None
        self._seen: tuple[int, int] | None = None
        self.file_problem = ""
        """Why the file as it is now is not used."""

    # -- calling -------------------------------------------------------------------------------------------------

    def specs(self, tenant: str) -> Sequence[ToolSpec]:
        """The tools that a tenant may use; the same sequence as long as they are the same."""
        parts = tuple(one.toolset.connection.specs or () for one in self._of(tenant))
        known = self._merged.get(tenant)
        if known is None or not _same(known[0], parts):
            known = self._merged[tenant] = (parts, tuple(spec for part in parts for spec in part))
        return known[1]

    def toolset(self, tenant: str, name: str) -> Toolset | None:
        """One server's tools, with their rings."""
        running = self._found(tenant, name)
        return running.ringed if running else None

    async def settled(self, tenant: str) -> None:
        """Wait, not for long, for servers that were never connected to."""
        waiting = [
            one.toolset.connection.tried for one in self._of(tenant) if not one.toolset.connection.tried.is_set()
        ]
        if not waiting:
            return
        try:
            async with asyncio.timeout(FIRST_SECONDS):
                for tried in waiting:
                    await tried.wait()
        except TimeoutError:
            return

    def _of(self, tenant: str) -> list[Running]:
        return [self._running[place] for place in sorted(self._running) if place[0] in {EVERYBODY, tenant}]

    def _found(self, tenant: str, name: str) -> Running | None:
        return self._running.get((EVERYBODY, name)) or self._running.get((tenant, name))

    # -- looking -------------------------------------------------------------------------------------------------

    async def all(self, tenant: str) -> Sequence[ShownServer]:
        """What a tenant may use, by name."""
        names = {name for owner, name in self._running if owner in {EVERYBODY, tenant}}
        names |= {mark.name for mark in await self._kept.marks() if mark.tenant == tenant}
        return [await self.get(tenant, name) for name in sorted(names)]

    async def get(self, tenant: str, name: str) -> ShownServer:
        """One of them. Raises `NotFound` with near names."""
        if running := self._running.get((EVERYBODY, name)):
            pins = await self._pins.pins(EVERYBODY, name)
            return ShownServer(name, running.config, running, None, pins, self.file_problem)
        kept = await self._kept.get(tenant, name)
        running = self._running.get((tenant, name))
        config = running.config if running else None
        problem = "" if running else self._broken.get((tenant, name), ("", "is not loaded"))[1]
        return ShownServer(name, config, running, kept, await self._pins.pins(tenant, name), problem)

    # -- changing ------------------------------------------------------------------------------------------------

    async def add(self, principal: Principal, name: str, body: JsonObject) -> ShownServer:
        """Add a server.

        Raises:
            Invalid: What is said about it is wrong.
            Conflict: Its name is taken.
            Forbidden: It is a program, and those are not taken over the API.
        """
        config = self._permitted(principal.tenant, name, body)
        await self._kept.add(principal, name, said(config))
        return await self._connected(principal.tenant, name)

    async def change(self, principal: Principal, name: str, body: JsonObject) -> ShownServer:
        """Say something else about a server; None takes back. Raises as `add`, and `ManagedByFile`, `NotFound`."""
        self._not_of_file(name)
        old = await self._kept.get(principal.tenant, name)
        merged = {key: value for key, value in {**old.config, **body}.items() if value is not None}
        config = self._permitted(principal.tenant, name, merged)
        await self._kept.change(principal, name, said(config))
        return await self._connected(principal.tenant, name)

    async def delete(self, principal: Principal, name: str) -> None:
        """Forget a server. Raises `ManagedByFile`, `NotFound`."""
        self._not_of_file(name)
        await self._kept.delete(principal, name)
        await self.refresh()

    async def reconnect(self, tenant: str, name: str) -> ShownServer:
        """Connect anew, in this process. Raises `NotFound`."""
        shown = await self.get(tenant, name)
        if shown.running is not None:
            shown.running.toolset.connection.reconnect()
        return shown

    async def accept(self, principal: Principal, name: str, tool: str) -> ToolPin:
        """Accept what a server offers in place of what was accepted before. Raises `NotFound`."""
        shown = await self.get(principal.tenant, name)
        owner = EVERYBODY if shown.kept is None else principal.tenant
        pin = await self._pins.accept(principal, owner, name, tool)
        if shown.running is not None:
            await shown.running.toolset.connection.recheck()
        return pin

    def _not_of_file(self, name: str) -> None:
        if (EVERYBODY, name) in self._running:
            raise ManagedByFile("MCP server", name)

    def _permitted(self, tenant: str, name: str, body: JsonObject) -> ServerConfig:
        config = parsed(name, body)
        self._not_of_file(name)
        if len(name) > LONGEST_NAME:
            detail = f"the name of a server has at most {LONGEST_NAME} characters"
            raise Invalid(detail, [Problem("/name", detail)])
        if self._around.taken(tenant, name):
            raise Conflict(f"{name} is the name of another toolset; give another name")
        if config.transport == "stdio" and not self._around.stdio_over_api:
            raise Forbidden(
                "a server that is a program may be named in mcp_servers.yaml only (tools.mcp.stdio_over_api)"
            )
        return config

    async def _connected(self, tenant: str, name: str) -> ShownServer:
        await self.refresh()
        if running := self._running.get((tenant, name)):
            try:
                await asyncio.wait_for(running.toolset.connection.tried.wait(), POLL_SECONDS)
            except TimeoutError:
                _log.info("MCP server %s does not answer at once", name)
        return await self.get(tenant, name)

    # -- keeping up ----------------------------------------------------------------------------------------------

    async def refresh(self) -> None:
        """Take over what was added or changed anywhere since the last time, in the file too."""
        async with self._refreshing:
            self._read_file()
            marks = {(mark.tenant, mark.name): mark for mark in await self._kept.marks()}
            for place in [place for place in self._running if place[0] != EVERYBODY and place not in marks]:
                self._stop(place)
            for place, mark in marks.items():
                running = self._running.get(place)
                known = running.version if running else self._broken.get(place, ("", ""))[0]
                if known != mark.version:
                    await self._take(mark)
            await self._recheck()

    def _read_file(self) -> None:
        """Servers of the file; one that cannot be used changes nothing. Raises `Invalid` the first time."""
        if self._around.file is None or (seen := _stamp(self._around.file)) == self._seen:
            return
        first, self._seen = self._seen is None, seen
        try:
            servers = self._loaded(self._around.file)
        except Invalid as error:
            if first:
                raise
            self.file_problem = error.detail
            _log.warning("the servers of before stay: %s", error.detail)
            return
        self.file_problem = ""
        for place in [place for place in self._running if place[0] == EVERYBODY and place[1] not in servers]:
            self._stop(place)
        for name, config in servers.items():
            running = self._running.get((EVERYBODY, name))
            if running is None or running.config != config:
                self._start((EVERYBODY, name), config, "")

    def _loaded(self, file: Path) -> Mapping[str, ServerConfig]:
        servers = load(file)
        for name in servers:
            if self._around.taken(EVERYBODY, name):
                raise Invalid(f"the MCP server {name} has the name of another toolset")
        return servers

    async def _take(self, mark: ServerMark) -> None:
        place = (mark.tenant, mark.name)
        try:
            kept = await self._kept.get(*place)
            config = self._permitted(mark.tenant, mark.name, kept.config)
        except NotFound:  # deleted meanwhile
            return
        except (Rejected, Forbidden) as error:
            _log.warning("the MCP server %s cannot be used: %s", mark.name, error.detail)
            self._stop(place)
            self._broken[place] = (mark.version, error.detail)
            return
        self._start(place, config, kept.mark.version)

    def _start(self, place: Place, config: ServerConfig, version: str) -> None:
        if self._group is None:
            return
        self._stop(place)
        tenant, name = place

        async def admit(offered: Sequence[OfferedTool]) -> Sequence[OfferedTool]:
            pins = await self._pins.sighted(tenant, name, offered, allow_new=self._around.allow_new)
            return [tool for tool in offered if pins[tool.name].holds(tool)]

        around = self._around
        # A file belongs to the platform: its secrets are those of the platform's own tenant.
        means = Means(around.secrets, tenant or DEFAULT_TENANT, admit, around.scrub)
        toolset = McpToolset(config, around.clock, means)
        owner = self._group.create_task(toolset.connection.run(), name=f"mcp-{name}")
        self._running[place] = Running(version, config, toolset, around.around(toolset), owner)

    def _stop(self, place: Place) -> None:
        self._broken.pop(place, None)
        if running := self._running.pop(place, None):
            running.owner.cancel()

    async def _recheck(self) -> None:
        """Look at the tools again when somebody accepted any, perhaps in another process."""
        last = await self._pins.last_accepted()
        if last == self._last_accepted:
            return
        self._last_accepted = last
        for running in list(self._running.values()):
            await running.toolset.connection.recheck()

    async def _watch(self) -> None:
        while True:
            await self._around.clock.sleep(POLL_SECONDS)
            try:
                await self.refresh()
            except RipienoError as error:  # the database is away; the next round may be better
                _log.warning("MCP servers cannot be looked up: %s", error.detail)

    @asynccontextmanager
    async def watched(self) -> AsyncGenerator["McpServers"]:
        """Connected, and kept up to date until the block ends.

        Raises:
            Invalid: The file cannot be used.
        """
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                await self.refresh()
                watch = group.create_task(self._watch(), name="mcp-servers")
                try:
                    yield self
                finally:
                    watch.cancel()
            finally:
                self._group = None
                for place in list(self._running):
                    self._stop(place)


def _same(some: Sequence[object], others: Sequence[object]) -> bool:
    return len(some) == len(others) and all(a is b for a, b in zip(some, others, strict=True))


def _stamp(file: Path) -> tuple[int, int]:
    try:
        found = file.stat()
    except OSError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_size)

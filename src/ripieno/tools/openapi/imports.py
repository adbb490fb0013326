"""APIs that are imported while the platform runs: read, kept, and offered as tools in every process."""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

from ripieno.domain.apis import ApiMark, KeptApi, NewApi
from ripieno.domain.errors import Conflict, Invalid, NotFound, Problem, Rejected, RipienoError
from ripieno.domain.jsons import JsonObject
from ripieno.domain.principals import Principal
from ripieno.domain.tools import ToolSpec
from ripieno.ports import Clock, Toolset
from ripieno.tools.names import check_name
from ripieno.tools.openapi.comparing import Difference, difference
from ripieno.tools.openapi.config import parsed
from ripieno.tools.openapi.documents import load
from ripieno.tools.openapi.fetching import Sources
from ripieno.tools.openapi.making import Made, Maker, written
from ripieno.tools.openapi.nodes import members

_log = logging.getLogger(__name__)

POLL_SECONDS = 2.0
LONGEST_NAME = 32


class Apis(Protocol):
    """Where imported APIs are kept; each change is audited."""

    async def marks(self) -> Sequence[ApiMark]:
        """Which there are, of all tenants."""
        ...

    async def get(self, tenant: str, name: str) -> KeptApi:
        """One of them. Raises `NotFound` with near names."""
        ...

    async def put(self, principal: Principal, api: NewApi) -> KeptApi:
        """Keep one, new or in place of what has its name."""
        ...

    async def delete(self, principal: Principal, name: str) -> None:
        """Forget one. Raises `NotFound`."""
        ...


@dataclass(frozen=True, slots=True)
class Order:
    """What to import: one of `url`, `file` (in the config folder) and `document`, and what is said about it.

    Without a name the API's title is one. What `config` does not say stays as it was said at an earlier import.
    """

    url: str = ""
    file: str = ""
    document: str | JsonObject | None = None
    name: str = ""
    config: JsonObject = field(default_factory=dict[str, object])
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of an import, by names of tools. `problems` are of what could not be taken over."""

    toolset: str
    difference: Difference
    problems: Sequence[Problem]
    home: str


@dataclass(frozen=True, slots=True)
class _Loaded:
    mark: ApiMark
    made: Made
    ringed: Toolset


class ImportedApis:
    """All imported APIs, by tenant. `taken` are names of other toolsets, `around` puts the rings on."""

    def __init__(
        self, kept: Apis, maker: Maker, sources: Sources, taken: Collection[str], around: Callable[[Toolset], Toolset]
    ) -> None:
        self._kept = kept
        self._maker = maker
        self._sources = sources
        self._taken = frozenset(taken)
        self._around = around
        self._loaded: dict[tuple[str, str], _Loaded] = {}
        self._specs: dict[str, tuple[ToolSpec, ...]] = {}
        self._broken: dict[tuple[str, str], tuple[str, str]] = {}
        self._refreshing = asyncio.Lock()

    # -- calling -------------------------------------------------------------------------------------------------

    def specs(self, tenant: str) -> Sequence[ToolSpec]:
        """The tools of a tenant; the same sequence as long as they are the same."""
        return self._specs.get(tenant, ())

    def toolset(self, tenant: str, name: str) -> Toolset | None:
        """One toolset, with its rings."""
        loaded = self._loaded.get((tenant, name))
        return loaded.ringed if loaded else None

    # -- changing ------------------------------------------------------------------------------------------------

    async def get(self, tenant: str, name: str) -> tuple[KeptApi, Sequence[str], Sequence[Problem]]:
        """What is kept of a toolset, the names of its tools, and what could not be taken over. Raises `NotFound`."""
        kept = await self._kept.get(tenant, name)
        await self.refresh()
        loaded = self._loaded.get((tenant, name))
        if loaded is None:
            return kept, (), [Problem("", self._broken.get((tenant, name), ("", "is not loaded"))[1])]
        return kept, list(loaded.made.tools), loaded.made.problems

    async def bring(self, principal: Principal, order: Order) -> Imported:
        """Import an API, or import it anew.

        Raises:
            Invalid: The document or what is said about it is wrong.
            Conflict: Its name is another toolset's.
        """
        content, source = await self._sources.content(order.url, order.file, order.document)
        document = await asyncio.to_thread(load, content)
        name = self._name(order.name or _slug(document))
        old = await self._old(principal.tenant, name)
        config = {**(old.config if old else {}), **order.config}
        new = NewApi(name, source, written(document), config)
        made = await self._made(new, document)
        if not order.dry_run:
            return await self._keep(principal, new, made, old)
        return await self._told(made, new.name, old)

    async def change(self, principal: Principal, name: str, config: JsonObject) -> Imported:
        """Say something else about an API. Raises as `bring`, and `NotFound`."""
        old = await self._kept.get(principal.tenant, name)
        api = NewApi(name, old.source, old.document, {**old.config, **config})
        return await self._keep(principal, api, await self._made(api), old)

    async def delete(self, principal: Principal, name: str) -> None:
        """Forget an API. Raises `NotFound`."""
        await self._kept.delete(principal, name)
        await self.refresh()

    async def _keep(self, principal: Principal, api: NewApi, made: Made, old: KeptApi | None) -> Imported:
        told = await self._told(made, api.name, old)
        said = parsed(api.config).model_dump(mode="json", by_alias=True, exclude_unset=True)
        kept = await self._kept.put(principal, replace(api, config=said))
        async with self._refreshing:
            self._install(kept.mark, made)
            self._merge()
        return told

    async def _told(self, made: Made, name: str, old: KeptApi | None) -> Imported:
        if not made.tools:
            raise Invalid("no operation of the document would become a tool", list(made.problems))
        before = await self._before(old)
        changed = await asyncio.to_thread(difference, before, made.tools)
        return Imported(name, changed, made.problems, made.home)

    async def _before(self, old: KeptApi | None) -> Mapping[str, object]:
        if old is None:
            return {}
        loaded = self._loaded.get((old.mark.tenant, old.mark.name))
        if loaded is not None and loaded.mark == old.mark:
            return loaded.made.tools
        try:
            made = await self._made(_as_new(old))
        except Rejected:
            return {}
        return made.tools

    async def _old(self, tenant: str, name: str) -> KeptApi | None:
        try:
            return await self._kept.get(tenant, name)
        except NotFound:
            return None

    def _name(self, name: str) -> str:
        check_name(name)
        if len(name) > LONGEST_NAME:
            raise Invalid(f"the name of a toolset has at most {LONGEST_NAME} characters", [Problem("/name", "is long")])
        if name in self._taken:
            raise Conflict(f"{name} is the name of another toolset; give a name")
        return name

    # -- keeping up ----------------------------------------------------------------------------------------------

    async def refresh(self) -> None:
        """Load what was imported or changed anywhere since the last time."""
        async with self._refreshing:
            marks = {(mark.tenant, mark.name): mark for mark in await self._kept.marks()}
            for place in [place for place in self._loaded if place not in marks]:
                del self._loaded[place]
            for place, mark in marks.items():
                loaded = self._loaded.get(place)
                if (loaded is None or loaded.mark != mark) and self._broken.get(place, ("", ""))[0] != mark.version:
                    await self._load(mark)
            self._merge()

    async def _load(self, mark: ApiMark) -> None:
        place = (mark.tenant, mark.name)
        try:
            kept = await self._kept.get(*place)
            self._name(mark.name)
            made = await self._made(_as_new(kept))
        except NotFound:  # deleted meanwhile
            return
        except Rejected as error:
            _log.warning("the toolset %s cannot be loaded: %s", mark.name, error.detail)
            self._broken[place] = (mark.version, error.detail)
            self._loaded.pop(place, None)
            return
        self._install(kept.mark, made)

    def _install(self, mark: ApiMark, made: Made) -> None:
        place = (mark.tenant, mark.name)
        self._broken.pop(place, None)
        self._loaded[place] = _Loaded(mark, made, self._around(made.toolset))

    async def _made(self, api: NewApi, document: JsonObject | None = None) -> Made:
        config = parsed(api.config)
        whole = document or await asyncio.to_thread(load, api.document.encode())
        return await asyncio.to_thread(self._maker.make, api.name, api.source, whole, config)

    def _merge(self) -> None:
        for tenant in {tenant for tenant, _ in self._loaded} | set(self._specs):
            loaded = [self._loaded[place] for place in sorted(self._loaded) if place[0] == tenant]
            specs = tuple(spec for one in loaded for spec in one.made.toolset.specs)
            old = self._specs.get(tenant, ())
            if len(specs) != len(old) or any(a is not b for a, b in zip(specs, old, strict=True)):
                self._specs[tenant] = specs

    async def _watch(self, clock: Clock) -> None:
        while True:
            await clock.sleep(POLL_SECONDS)
            try:
                await self.refresh()
            except RipienoError as error:  # the database is away; the next round may be better
                _log.warning("imported toolsets cannot be looked up: %s", error.detail)

    @asynccontextmanager
    async def watched(self, clock: Clock) -> AsyncGenerator["ImportedApis"]:
        """Loaded, and kept up to date until the block ends."""
        await self.refresh()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self._watch(clock), name="apis")
            try:
                yield self
            finally:
                task.cancel()


def _as_new(kept: KeptApi) -> NewApi:
    return NewApi(kept.mark.name, kept.source, kept.document, kept.config)


def _slug(document: JsonObject) -> str:
    title = str(members(document.get("info")).get("title", ""))
    slug = re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")[:LONGEST_NAME].strip("_")
    if not slug:
        raise Invalid("the document has no title; give a name", [Problem("/name", "is needed")])
    return slug

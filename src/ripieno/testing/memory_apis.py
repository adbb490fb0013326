"""Imported APIs in a dictionary."""

import difflib
from collections.abc import Sequence
from pathlib import Path

from ripieno.domain.apis import ApiMark, KeptApi, NewApi
from ripieno.domain.errors import NotFound
from ripieno.domain.principals import Principal
from ripieno.engine.performers.own_tools import RESERVED
from ripieno.ports import Clock, Secrets, Toolset
from ripieno.store.apis import version_of
from ripieno.tools import schemas
from ripieno.tools.openapi.clients import ApiClients, Domains
from ripieno.tools.openapi.fetching import Sources
from ripieno.tools.openapi.imports import ImportedApis
from ripieno.tools.openapi.making import Maker
from ripieno.tools.openapi.toolset import Means
from ripieno.tools.timed import TimedToolset
from ripieno.tools.validated import ValidatedToolset


class MemoryApis:
    """`StoredApis` without a database."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[tuple[str, str], KeptApi] = {}

    async def marks(self) -> Sequence[ApiMark]:
        return [api.mark for _, api in sorted(self._kept.items())]

    async def get(self, tenant: str, name: str) -> KeptApi:
        if known := self._kept.get((tenant, name)):
            return known
        names = [name for owner, name in self._kept if owner == tenant]
        raise NotFound("toolset", name, difflib.get_close_matches(name, names))

    async def put(self, principal: Principal, api: NewApi) -> KeptApi:
        place, now = (principal.tenant, api.name), self._clock.now()
        old = self._kept.get(place)
        by, since = (old.created_by, old.created_at) if old else (principal.id, now)
        mark = ApiMark(*place, version_of(api))
        self._kept[place] = KeptApi(mark, api.source, api.document, api.config, by, since, now)
        return self._kept[place]

    async def delete(self, principal: Principal, name: str) -> None:
        await self.get(principal.tenant, name)
        del self._kept[principal.tenant, name]


def apis_in_memory(clock: Clock, secrets: Secrets) -> ImportedApis:
    """Imports that last as long as the test."""
    clients = ApiClients(Domains())

    def around(toolset: Toolset) -> Toolset:
        return TimedToolset(ValidatedToolset(toolset, schemas.check), clock)

    maker = Maker(clients.of, Means(secrets, clock, schemas.check))
    return ImportedApis(MemoryApis(clock), maker, Sources(clients.fetching, Path("config")), RESERVED, around)

"""Imported APIs in the database."""

import difflib
import hashlib
from collections.abc import Sequence

from ripieno.domain.apis import ApiMark, KeptApi, NewApi
from ripieno.domain.errors import NotFound
from ripieno.domain.principals import Principal
from ripieno.store.bodies import dump
from ripieno.store.portable.frame import Frame, Frames, Record, Work

MARKS = "SELECT tenant, name, version FROM apis ORDER BY tenant, name"

ONE = "SELECT * FROM apis WHERE tenant = :tenant AND name = :name"

NAMES = "SELECT name FROM apis WHERE tenant = :tenant"

PUT = """
INSERT INTO apis (tenant, name, version, source, document, config, created_by, created_at, updated_at)
VALUES (:tenant, :name, :version, :source, :document, :config, :by, :now, :now)
ON CONFLICT (tenant, name) DO UPDATE SET version = excluded.version, source = excluded.source,
  document = excluded.document, config = excluded.config, updated_at = excluded.updated_at
RETURNING *
"""

DELETE = "DELETE FROM apis WHERE tenant = :tenant AND name = :name RETURNING name"


class StoredApis:
    """Keeps APIs by tenant and name; each change is audited."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames

    async def marks(self) -> Sequence[ApiMark]:
        """Which there are, of all tenants."""
        return await self._frames.read(_marks)

    async def get(self, tenant: str, name: str) -> KeptApi:
        """One of them. Raises `NotFound` with near names."""
        return _kept(await self._frames.read(_one, tenant, name))

    async def put(self, principal: Principal, api: NewApi) -> KeptApi:
        """Keep one, new or in place of what has its name."""
        return _kept(await self._frames.write(_put, principal, api, version_of(api)))

    async def delete(self, principal: Principal, name: str) -> None:
        """Forget one. Raises `NotFound`."""
        await self._frames.write(_delete, principal, name)


def version_of(api: NewApi) -> str:
    """A digest of all of it: two processes that keep the same have the same."""
    whole = "\0".join((api.source, dump(api.config), api.document))
    return hashlib.sha256(whole.encode()).hexdigest()


def _marks(frame: Frame) -> Work[list[ApiMark]]:
    rows = yield from frame.all(MARKS)
    return [_mark(row) for row in rows]


def _one(frame: Frame, tenant: str, name: str) -> Work[Record]:
    row = yield from frame.one(ONE, tenant=tenant, name=name)
    if row is None:
        names = yield from frame.all(NAMES, tenant=tenant)
        raise NotFound("toolset", name, difflib.get_close_matches(name, [one["name"] for one in names]))
    return row


def _put(frame: Frame, by: Principal, api: NewApi, version: str) -> Work[Record]:
    given = {"tenant": by.tenant, "name": api.name, "version": version, "source": api.source}
    (row,) = yield from frame.all(PUT, **given, document=api.document, config=dump(api.config), by=by.id, now=frame.now)
    yield from _audit(frame, by, "IMPORT_TOOLSET", api.name)
    return row


def _delete(frame: Frame, by: Principal, name: str) -> Work[None]:
    if (yield from frame.one(DELETE, tenant=by.tenant, name=name)) is None:
        yield from _one(frame, by.tenant, name)
    yield from _audit(frame, by, "DELETE_TOOLSET", name)


def _audit(frame: Frame, by: Principal, action: str, name: str) -> Work[None]:
    yield from frame.tell(by.tenant, "audit", "", {"action": action, "actor": by.id, "target": name})


def _mark(row: Record) -> ApiMark:
    return ApiMark(row["tenant"], row["name"], row["version"])


def _kept(row: Record) -> KeptApi:
    created_by, created_at, updated_at = row["created_by"], row.time("created_at"), row.time("updated_at")
    return KeptApi(_mark(row), row["source"], row["document"], row.json("config"), created_by, created_at, updated_at)

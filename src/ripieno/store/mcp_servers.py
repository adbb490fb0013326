"""MCP servers that were added while the platform runs, in the database."""

import difflib
import hashlib
from collections.abc import Sequence

from ripieno.domain.errors import Conflict, NotFound
from ripieno.domain.jsons import JsonObject
from ripieno.domain.mcp_servers import KeptServer, ServerMark
from ripieno.domain.principals import Principal
from ripieno.store.bodies import dump
from ripieno.store.portable.frame import Frame, Frames, Record, Work

MARKS = "SELECT tenant, name, version FROM mcp_servers ORDER BY tenant, name"

ONE = "SELECT * FROM mcp_servers WHERE tenant = :tenant AND name = :name"

NAMES = "SELECT name FROM mcp_servers WHERE tenant = :tenant"

ADD = """
INSERT INTO mcp_servers (tenant, name, version, config, created_by, created_at, updated_at)
VALUES (:tenant, :name, :version, :config, :by, :now, :now)
ON CONFLICT (tenant, name) DO NOTHING
RETURNING *
"""

CHANGE = """
UPDATE mcp_servers SET version = :version, config = :config, updated_at = :now
WHERE tenant = :tenant AND name = :name
RETURNING *
"""

DELETE = "DELETE FROM mcp_servers WHERE tenant = :tenant AND name = :name RETURNING name"

UNPIN = "DELETE FROM mcp_pins WHERE tenant = :tenant AND server = :name"


class StoredMcpServers:
    """Keeps servers by tenant and name; each change is audited."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames

    async def marks(self) -> Sequence[ServerMark]:
        """Which there are, of all tenants."""
        return await self._frames.read(_marks)

    async def get(self, tenant: str, name: str) -> KeptServer:
        """One of them. Raises `NotFound` with near names."""
        return _kept(await self._frames.read(_one, tenant, name))

    async def add(self, principal: Principal, name: str, config: JsonObject) -> KeptServer:
        """Keep a new one. Raises `Conflict` where there is one of that name."""
        return _kept(await self._frames.write(_add, principal, name, config))

    async def change(self, principal: Principal, name: str, config: JsonObject) -> KeptServer:
        """Keep it otherwise. Raises `NotFound`."""
        return _kept(await self._frames.write(_change, principal, name, config))

    async def delete(self, principal: Principal, name: str) -> None:
        """Forget one, and what was accepted of it. Raises `NotFound`."""
        await self._frames.write(_delete, principal, name)


def version_of(config: JsonObject) -> str:
    """A digest: two processes that keep the same have the same."""
    return hashlib.sha256(dump(config).encode()).hexdigest()


def _marks(frame: Frame) -> Work[list[ServerMark]]:
    rows = yield from frame.all(MARKS)
    return [_mark(row) for row in rows]


def _one(frame: Frame, tenant: str, name: str) -> Work[Record]:
    row = yield from frame.one(ONE, tenant=tenant, name=name)
    if row is None:
        names = yield from frame.all(NAMES, tenant=tenant)
        raise NotFound("MCP server", name, difflib.get_close_matches(name, [one["name"] for one in names]))
    return row


def _add(frame: Frame, by: Principal, name: str, config: JsonObject) -> Work[Record]:
    given = {"tenant": by.tenant, "name": name, "version": version_of(config), "config": dump(config)}
    row = yield from frame.one(ADD, **given, by=by.id, now=frame.now)
    if row is None:
        raise Conflict(f"there is an MCP server {name} already; change that one")
    yield from _audit(frame, by, "ADD_MCP_SERVER", name)
    return row


def _change(frame: Frame, by: Principal, name: str, config: JsonObject) -> Work[Record]:
    given = {"tenant": by.tenant, "name": name, "version": version_of(config), "config": dump(config)}
    row = yield from frame.one(CHANGE, **given, now=frame.now)
    if row is None:
        return (yield from _one(frame, by.tenant, name))
    yield from _audit(frame, by, "CHANGE_MCP_SERVER", name)
    return row


def _delete(frame: Frame, by: Principal, name: str) -> Work[None]:
    if (yield from frame.one(DELETE, tenant=by.tenant, name=name)) is None:
        yield from _one(frame, by.tenant, name)
    yield from frame.all(UNPIN, tenant=by.tenant, name=name)
    yield from _audit(frame, by, "DELETE_MCP_SERVER", name)


def _audit(frame: Frame, by: Principal, action: str, name: str) -> Work[None]:
    yield from frame.tell(by.tenant, "audit", "", {"action": action, "actor": by.id, "target": name})


def _mark(row: Record) -> ServerMark:
    return ServerMark(row["tenant"], row["name"], row["version"])


def _kept(row: Record) -> KeptServer:
    return KeptServer(_mark(row), row.json("config"), row["created_by"], row.time("created_at"), row.time("updated_at"))

"""The limits of single tenants in the database; `claim` reads them."""

from collections.abc import Sequence

from ripieno.domain.errors import NotFound
from ripieno.domain.principals import Principal
from ripieno.domain.tenants import TenantLimit
from ripieno.store.portable.audit import audit
from ripieno.store.portable.frame import Frame, Frames, Work

ALL = "SELECT id, max_running FROM tenants WHERE max_running IS NOT NULL ORDER BY id"

PUT = """
INSERT INTO tenants (id, max_running) VALUES (:id, :most)
ON CONFLICT (id) DO UPDATE SET max_running = excluded.max_running
"""

CLEAR = "UPDATE tenants SET max_running = NULL WHERE id = :id AND max_running IS NOT NULL RETURNING id"


class StoredTenants:
    """`governance.tenancy.Tenants`."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames

    async def limits(self) -> Sequence[TenantLimit]:
        return await self._frames.read(_all)

    async def limit(self, by: Principal, tenant: str, max_running: int) -> TenantLimit:
        return await self._frames.write(_put, by, TenantLimit(tenant, max_running))

    async def unlimit(self, by: Principal, tenant: str) -> None:
        await self._frames.write(_clear, by, tenant)


def _all(frame: Frame) -> Work[list[TenantLimit]]:
    return [TenantLimit(row["id"], row["max_running"]) for row in (yield from frame.all(ALL))]


def _put(frame: Frame, by: Principal, limit: TenantLimit) -> Work[TenantLimit]:
    yield from frame.all(PUT, id=limit.tenant, most=limit.max_running)
    detail = {"max_running": limit.max_running}
    yield from audit(frame, (by.tenant, by.id), "LIMIT_TENANT", limit.tenant, detail)
    return limit


def _clear(frame: Frame, by: Principal, tenant: str) -> Work[None]:
    if (yield from frame.one(CLEAR, id=tenant)) is None:
        raise NotFound("limit of tenant", tenant)
    yield from audit(frame, (by.tenant, by.id), "UNLIMIT_TENANT", tenant)

"""The limits of single tenants of `MemoryStore`."""

from collections.abc import Sequence

from ripieno.domain.errors import NotFound
from ripieno.domain.outbox import AUDIT, audit_body
from ripieno.domain.principals import Principal
from ripieno.domain.tenants import TenantLimit
from ripieno.ports import Clock
from ripieno.testing.memory_state import Draft, Memory


class MemoryTenants:
    """`governance.tenancy.Tenants` over the journal's memory."""

    def __init__(self, memory: Memory, clock: Clock) -> None:
        self._memory = memory
        self._clock = clock

    async def limits(self) -> Sequence[TenantLimit]:
        return [TenantLimit(tenant, most) for tenant, most in sorted(self._memory.max_running.items())]

    async def limit(self, by: Principal, tenant: str, max_running: int) -> TenantLimit:
        self._memory.max_running[tenant] = max_running
        self._audit(by, "LIMIT_TENANT", tenant, {"max_running": max_running})
        return TenantLimit(tenant, max_running)

    async def unlimit(self, by: Principal, tenant: str) -> None:
        if self._memory.max_running.pop(tenant, None) is None:
            raise NotFound("limit of tenant", tenant)
        self._audit(by, "UNLIMIT_TENANT", tenant)

    def _audit(self, by: Principal, action: str, tenant: str, detail: dict[str, int] | None = None) -> None:
        draft = Draft(self._memory, self._clock.now())
        draft.tell(by.tenant, AUDIT, "", audit_body(action, by.id, tenant, draft.now, detail))
        draft.commit()

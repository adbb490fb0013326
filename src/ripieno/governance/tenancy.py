"""What each tenant is allowed, where that is not what the settings say for all of them."""

from collections.abc import Sequence
from typing import Protocol

from ripieno.domain.principals import Principal
from ripieno.domain.tenants import TenantLimit


class Tenants(Protocol):
    """The limits of single tenants. Each change is audited in the tenant of who made it."""

    async def limits(self) -> Sequence[TenantLimit]:
        """Those that somebody set, by tenant."""
        ...

    async def limit(self, by: Principal, tenant: str, max_running: int) -> TenantLimit:
        """Let a tenant have so many runs under way, from the next claim on."""
        ...

    async def unlimit(self, by: Principal, tenant: str) -> None:
        """Go back to what the settings say. Raises `NotFound`."""
        ...

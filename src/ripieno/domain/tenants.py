"""Tenants: whose things are kept apart, and how much each may have under way."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TenantLimit:
    """How many runs of a tenant may be under way at once, in place of what the settings say for all."""

    tenant: str
    max_running: int

"""Limits of tenants as the API takes and shows them."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from ripieno.domain.tenants import TenantLimit
from ripieno.server.shapes.runs import Shape

TenantName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


class TenantRequest(BaseModel):
    """Which tenant, and how many of its runs may be under way at once."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: TenantName
    max_running: int = Field(ge=0, le=1_000_000)


class TenantView(Shape):
    """A tenant that has a limit of its own."""

    id: str
    max_running: int

    @classmethod
    def of(cls, limit: TenantLimit) -> "TenantView":
        """Show it."""
        return cls.model_construct(id=limit.tenant, max_running=limit.max_running)


class TenantList(Shape):
    """All of them, by name."""

    data: list[TenantView]
    next_cursor: str | None = None

"""Questions to the egress guard as the API takes them, and its answers."""

from pydantic import BaseModel, ConfigDict, Field

from ripieno.server.shapes.runs import Shape
from ripieno.tools.egress.explaining import Explanation


class EgressCheckRequest(BaseModel):
    """A request that somebody thinks of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(max_length=2000)
    method: str = Field(default="GET", max_length=20)
    tool: str = Field(default="", max_length=200, description="The tool that would make it; empty for none.")
    tenant: str = Field(default="", max_length=200, description="For whom; your own tenant when left out.")


class EgressCheckView(Shape):
    """What would happen to it. `rule` is empty where no rule decided."""

    allowed: bool
    reason: str
    host: str
    port: int
    rule: str
    addresses: list[str]

    @classmethod
    def of(cls, found: Explanation) -> "EgressCheckView":
        """As the API shows it."""
        return cls(
            allowed=found.allowed,
            reason=found.reason,
            host=found.host,
            port=found.port,
            rule=found.rule,
            addresses=list(found.addresses),
        )

"""What an administrator says about tools that somebody else made: whether they may be called, how often, how long."""

from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from ripieno.domain.effects import EffectClass
from ripieno.domain.tools import Risk


class ToolRule(BaseModel):
    """What is said about one tool (`shop.pay`), or about all tools of a toolset (`shop`). What is not said is None.

    `timeout` is in seconds. `attempts` is how often a call is made at most, where repeating it is safe. `concurrency`
    is how many calls may be under way at once, `per_minute` how many may begin in any 60 seconds; of a toolset they
    count all its tools together. Both are counted in each process by itself.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool | None = None
    effect: EffectClass | None = None
    risk: Risk | None = None
    timeout: float | None = Field(default=None, gt=0, le=3600)
    attempts: int | None = Field(default=None, ge=1, le=10)
    concurrency: int | None = Field(default=None, ge=1, le=1000)
    per_minute: int | None = Field(default=None, ge=1, le=1_000_000)

    def over(self, wider: "ToolRule") -> "ToolRule":
        """This rule where it says something, the wider one where it does not."""
        return wider.model_copy(update=self.model_dump(exclude_none=True))


UNRULED = ToolRule()


@dataclass(frozen=True, slots=True)
class KeptRule:
    """A rule as it is kept, by the name of the tool or toolset."""

    tenant: str
    name: str
    rule: ToolRule
    updated_by: str
    updated_at: datetime

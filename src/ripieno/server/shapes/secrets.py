"""Secrets as the API takes and shows them: a value goes in and never comes out."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from ripieno.domain.secrets import LONGEST, NAME, SecretInfo
from ripieno.server.shapes.runs import Shape

SecretName = Annotated[str, Field(pattern=f"^{NAME.pattern}$")]


class SecretRequest(BaseModel):
    """The new value."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: SecretStr = Field(min_length=1, max_length=LONGEST)


class SecretView(Shape):
    """Everything about a secret but its value. `key_id` is the master key that seals it."""

    name: str
    version: int
    key_id: str
    created_by: str
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, info: SecretInfo) -> "SecretView":
        """Show it."""
        return cls.model_construct(**{name: getattr(info, name) for name in cls.model_fields})


class SecretList(Shape):
    """All secrets, by name."""

    data: list[SecretView]
    next_cursor: str | None = None


class Rotated(Shape):
    """How many secrets were sealed anew."""

    resealed: int

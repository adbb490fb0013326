"""Events as they are published from outside."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Discriminator, Field, StringConstraints, Tag

from ripieno.domain.jsons import Json
from ripieno.domain.published import Published
from ripieno.server.shapes.runs import Shape

Type = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$", max_length=200)]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]


class PlainEvent(BaseModel):
    """Something that happened: what, at which service, to which of its things, and anything else about it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    event_type: Type = Field(description="Words with dots between them: `deploy.finished`.")
    source_service: Words
    source_id: Words | None = None
    payload: Json = None

    def event(self, event_id: str) -> Published:
        """As the engine takes it."""
        return Published(event_id, "", self.event_type, self.source_service, self.payload, "", self.source_id)


class CloudEvent(BaseModel):
    """The same as a CloudEvent 1.0 in JSON. What is told again under the same `source` and `id` is the same event."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    specversion: Literal["1.0"]
    id: Words
    type: Type
    source: Words
    subject: Words | None = None
    time: AwareDatetime | None = None
    data: Json = None

    def event(self, event_id: str) -> Published:
        """As the engine takes it: it has an id of its own."""
        del event_id
        return Published(self.id, "", self.type, self.source, self.data, "", self.subject, self.time)


def _form(body: Any) -> str:
    """Forms begin with @ so that `server.errors` leaves them out of the place of a problem."""
    return "@cloudevent" if "specversion" in (body if isinstance(body, dict) else {}) else "@plain"


PublishRequest = Annotated[
    Annotated[PlainEvent, Tag("@plain")] | Annotated[CloudEvent, Tag("@cloudevent")], Discriminator(_form)
]


class PublishAnswer(Shape):
    """The event is in `GET /v1/events`, and every run that waits for it will hear of it."""

    event_id: str
    type: str
    source: str
    time: datetime

    @classmethod
    def of(cls, event: Published) -> "PublishAnswer":
        """Show it."""
        return cls(event_id=event.id, type=event.type, source=event.source, time=event.time)  # pyright: ignore[reportArgumentType]

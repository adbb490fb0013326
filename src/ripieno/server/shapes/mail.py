"""Messages and signals as clients send them and as the API shows them."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, StringConstraints

from ripieno.domain.jsons import Json
from ripieno.domain.mail import Mail
from ripieno.server.shapes.runs import Shape

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class MessageRequest(BaseModel):
    """A message. `to` is an agent's name, a run's id or a session's; `body` is a text or any JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    to: Name
    body: Json
    sender: Name | None = Field(default=None, alias="from", description="Who says it; unset: who asks.")
    reply_to: Name | None = Field(default=None, description="The id of the message that this answers.")


class SignalRequest(BaseModel):
    """Something that happened, for a run that waits for its topic now or later."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    topic: Name = Field(validation_alias=AliasChoices("topic", "name"))
    data: Json = None


class SignalAnswer(Shape):
    """The signal lies in the run's inbox, as number `n`."""

    run_id: str
    topic: str
    n: int


class MailView(Shape):
    """A message. `n` is its place in its box."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    id: str
    n: int
    sender: str = Field(serialization_alias="from", validation_alias="from")
    from_run: str | None
    body: Json
    reply_to: str | None
    sent_at: datetime | None

    @classmethod
    def of(cls, mail: Mail) -> "MailView":
        """Show it."""
        return cls.model_construct(**_view(mail))


class MailSent(MailView):
    """A message that was sent."""

    to: str

    @classmethod
    def told(cls, mail: Mail, to: str) -> "MailSent":
        """Show it."""
        return cls.model_construct(**_view(mail), to=to)


def _view(mail: Mail) -> dict[str, Any]:
    return {name: getattr(mail, name) for name in MailView.model_fields}


class MailPage(Shape):
    """Messages, oldest first."""

    data: list[MailView]
    next_cursor: str | None = None

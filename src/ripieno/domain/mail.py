"""Messages between agents, people and programs, and the boxes in which they wait."""

from dataclasses import dataclass
from datetime import datetime

from ripieno.domain import ids
from ripieno.domain.jsons import Json, JsonObject

ARRIVED = "message"
"""The topic under which a message for one run lies in its inbox."""

SIGNAL = "signal"
"""The topic under which a signal lies in a run's inbox."""

MOST_UNREAD = 10_000
"""How many messages may lie in a box."""


@dataclass(frozen=True, slots=True)
class NewMail:
    """A message as its sender writes it. `from_run` is the run that sends it; `reply_to` the message it answers."""

    id: str
    tenant: str
    box: str
    sender: str
    body: Json
    from_run: str | None = None
    reply_to: str | None = None


@dataclass(frozen=True, slots=True)
class Mail(NewMail):
    """A message in its box. `n` is its place there."""

    n: int = 0
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Receiver:
    """A leg's command that wants a message. It gets the same one however often it asks."""

    tenant: str
    run_id: str
    epoch: int
    key: str


def agent_box(name: str) -> str:
    """The box of an agent: the first of its runs that asks gets the message."""
    return f"agent/{name}"


def session_box(session_id: str) -> str:
    """The box of a session: the first of its runs that asks gets the message."""
    return f"session/{session_id}"


def bell(tenant: str, box: str) -> str:
    """What is hinted at when a message arrives in a box; it looks like any other id."""
    return ids.named("box", tenant, box)


def shown(mail: Mail) -> JsonObject:
    """A message as receivers see it."""
    return {
        "id": mail.id,
        "from": mail.sender,
        "from_run": mail.from_run,
        "body": mail.body,
        "reply_to": mail.reply_to,
        "sent_at": mail.sent_at.isoformat() if mail.sent_at else None,
    }

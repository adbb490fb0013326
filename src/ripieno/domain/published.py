"""Events that are published from outside, and the topics under which runs wait for them."""

from dataclasses import dataclass
from datetime import datetime

from ripieno.domain.jsons import Json, JsonObject

ARRIVED = "event"
"""The topic under which a published event lies in the inbox of a run that waits for it."""

OURS = frozenset(
    {"approval", "audit", "budget", "effect", "egress", "interrupt", "mcp", "model", "ripieno", "run", "tool"}
)
"""First words of the types of the platform's own events; nobody else publishes under them."""

ANY = "*"


@dataclass(frozen=True, slots=True)
class Published:
    """Something that happened elsewhere. `source` says where, `by` who told us.

    An event is known by its `id`: told again, it is the same one.
    """

    id: str
    tenant: str
    type: str
    source: str
    data: Json
    by: str
    subject: str | None = None
    time: datetime | None = None

    def shown(self) -> JsonObject:
        """The event as runs and readers of events see it."""
        time = self.time.isoformat() if self.time else None
        own: JsonObject = {"id": self.id, "source": self.source, "subject": self.subject, "time": time}
        return {**own, "data": self.data, "by": self.by}


def patterns(topic: str) -> list[str]:
    """Every topic that means this one: itself, and those that end in a star (`a.*` means `a.b` and `a.b.c`)."""
    parts = topic.split(".")
    return [topic, *(".".join([*parts[:end], ANY]) for end in range(len(parts) - 1, -1, -1))]


def means(pattern: str, topic: str) -> bool:
    """Whether somebody who waits for `pattern` waits for `topic`."""
    return pattern in patterns(topic)

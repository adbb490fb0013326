"""Sessions: conversations that group runs."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Session:
    """A conversation or case."""

    id: str
    tenant: str
    created_by: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Exchange:
    """What was asked and answered in one ended run of a session, oldest first in a history.

    An interrupted run ended because the next message did not wait for it.
    """

    run_id: str
    goal: str
    answer: str
    interrupted: bool = False

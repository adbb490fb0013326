"""The outbox: what happened, in an order that every reader sees alike; and the audit rows in it."""

from dataclasses import dataclass
from datetime import datetime

from ripieno.domain.jsons import Json, JsonObject

AUDIT = "audit"
"""The type of rows that say who did what to the platform."""

CANCEL_RUN, PAUSE_RUN, RESUME_RUN = "CANCEL_RUN", "PAUSE_RUN", "RESUME_RUN"
IGNORE_OUTCOME = "IGNORE_OUTCOME"
"""What the audit calls it when an outcome comes too late to count, and says something else than what counts."""

RETRY_RUN, ROLLBACK_RUN = "RETRY_RUN", "ROLLBACK_RUN"
"""What the audit calls what is done to runs."""


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """Something that happened. `pos` is its place in the order; `run_id` is empty where it concerns no run."""

    pos: int
    tenant: str
    type: str
    run_id: str
    body: JsonObject
    at: datetime


@dataclass(frozen=True, slots=True)
class AuditRow:
    """Who did what. `action` is VERB_NOUN; `number` orders rows of one tenant by age."""

    number: int
    action: str
    actor: str
    target: str
    at: datetime
    detail: Json = None


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which audit rows; None means any."""

    action: str | None = None
    actor: str | None = None
    since: datetime | None = None


def audit_body(action: str, actor: str, target: str, at: datetime, detail: Json = None) -> JsonObject:
    """The body of an audit row."""
    return {"action": action, "actor": actor, "target": target, "at": at.isoformat(), "detail": detail}


def audited(number: int, body: JsonObject, at: datetime) -> AuditRow:
    """An audit row from its body; what stands beside the usual members is its detail."""
    usual = {"action", "actor", "target", "at", "detail"}
    more = {name: value for name, value in body.items() if name not in usual}
    detail = body.get("detail") or more or None
    return AuditRow(number, body["action"], body["actor"], body.get("target", ""), at, detail)

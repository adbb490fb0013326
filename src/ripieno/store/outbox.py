"""Reading the outbox on both databases: events by their position, audit rows newest first."""

from collections.abc import Sequence

from ripieno.domain.outbox import AUDIT, AuditFilter, AuditRow, OutboxRow, audited
from ripieno.store.portable.frame import Frame, Frames, Work

EVENTS = """
SELECT pos, tenant, type, run_id, body, at FROM outbox
WHERE pos > :after::bigint AND tenant = :tenant
  AND (:kind::text IS NULL OR type = :kind) AND (:prefix::text IS NULL OR substr(type, 1, :length::int) = :prefix)
ORDER BY pos LIMIT :limit::int
"""

AUDITS = f"""
SELECT id, body, at FROM outbox
WHERE type = '{AUDIT}' AND tenant = :tenant AND (:before::bigint IS NULL OR id < :before)
  AND (:action::text IS NULL OR body ->> 'action' = :action) AND (:actor::text IS NULL OR body ->> 'actor' = :actor)
  AND (NOT :bounded::boolean OR at >= :since)
ORDER BY id DESC LIMIT :limit::int
"""  # noqa: S608 - constants


class StoredOutbox:
    """`ports.Outbox`."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames

    async def events(self, tenant: str, kind: str | None, after: int, limit: int) -> Sequence[OutboxRow]:
        return await self._frames.read(_events, tenant, kind, after, limit)

    async def audits(
        self, tenant: str, which: AuditFilter, limit: int, before: int | None = None
    ) -> Sequence[AuditRow]:
        return await self._frames.read(_audits, tenant, which, limit, before)


def _events(frame: Frame, tenant: str, kind: str | None, after: int, limit: int) -> Work[list[OutboxRow]]:
    prefix = kind.removesuffix("*") if kind is not None and kind.endswith("*") else None
    rows = yield from frame.all(
        EVENTS,
        tenant=tenant,
        kind=None if prefix is not None else kind,
        prefix=prefix,
        length=len(prefix or ""),
        after=after,
        limit=limit,
    )
    return [
        OutboxRow(row["pos"], row["tenant"], row["type"], row["run_id"], row.json("body"), row.time("at"))
        for row in rows
    ]


def _audits(frame: Frame, tenant: str, which: AuditFilter, limit: int, before: int | None) -> Work[list[AuditRow]]:
    rows = yield from frame.all(
        AUDITS,
        tenant=tenant,
        action=which.action,
        actor=which.actor,
        bounded=which.since is not None,
        since=which.since or frame.now,
        before=before,
        limit=limit,
    )
    return [audited(row["id"], row.json("body"), row.time("at")) for row in rows]

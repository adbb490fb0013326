"""Reading the outbox of `MemoryStore`."""

from collections.abc import Sequence

from ripieno.domain.outbox import AUDIT, AuditFilter, AuditRow, OutboxRow, audited
from ripieno.testing.memory_state import Memory


class MemoryOutbox:
    """`ports.Outbox` over the journal's memory."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def events(self, tenant: str, kind: str | None, after: int, limit: int) -> Sequence[OutboxRow]:
        rows = self._memory.told
        return [row for row in rows if row.tenant == tenant and row.pos > after and _is(row.type, kind)][:limit]

    async def audits(
        self, tenant: str, which: AuditFilter, limit: int, before: int | None = None
    ) -> Sequence[AuditRow]:
        rows = [row for row in reversed(self._memory.told) if row.tenant == tenant and row.type == AUDIT]
        found = [
            row
            for row in (audited(row.pos, row.body, row.at) for row in rows)
            if which.action in {None, row.action}
            and which.actor in {None, row.actor}
            and (which.since is None or row.at >= which.since)
            and (before is None or row.number < before)
        ]
        return found[:limit]


def _is(kind: str, wanted: str | None) -> bool:
    if wanted is not None and wanted.endswith("*"):
        return kind.startswith(wanted.removesuffix("*"))
    return wanted in {None, kind}

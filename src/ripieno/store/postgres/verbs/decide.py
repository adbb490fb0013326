"""Decide: one answer to an interrupt, told to its run in the same transaction."""

from dataclasses import replace
from datetime import datetime

from ripieno.domain import jsons
from ripieno.domain.errors import AlreadyDecided, InterruptExpired, Invalid, NotFound, Problem
from ripieno.domain.interrupts import (
    ALLOWED_DECISIONS,
    STATUS_AFTER,
    Decision,
    Interrupt,
    InterruptKind,
    InterruptStatus,
)
from ripieno.store.bodies import dump, load
from ripieno.store.columns import INTERRUPT_COLUMNS
from ripieno.store.postgres.connections import Row
from ripieno.store.postgres.database import Transaction
from ripieno.store.postgres.rows import interrupt_of
from ripieno.store.postgres.verbs import fenced, send

DECIDED = "interrupt.decided"

ONE = f"SELECT {INTERRUPT_COLUMNS} FROM interrupts WHERE id = $1 AND tenant = $2"  # noqa: S608 - constants

# In the order of all locks: the run first, then its interrupt.
LOCKED = f"SELECT {INTERRUPT_COLUMNS} FROM interrupts WHERE id = $1 FOR NO KEY UPDATE"  # noqa: S608

CLOSE = f"""
UPDATE interrupts SET status = $2, decisions = $3 WHERE id = $1 RETURNING {INTERRUPT_COLUMNS}
"""  # noqa: S608


async def decide(tx: Transaction, tenant: str, interrupt_id: str, decision: Decision) -> Interrupt:
    """Close a pending interrupt.

    Raises:
        NotFound: No such interrupt.
        Invalid: The decision does not fit the kind.
        AlreadyDecided: Somebody was first, or the run ended.
        InterruptExpired: Too late.
    """
    row = await tx.one(ONE, interrupt_id, tenant)
    if row is None:
        raise NotFound("interrupt", interrupt_id)
    allowed = ALLOWED_DECISIONS[InterruptKind(row["kind"])]
    if decision.kind not in allowed:
        words = ", ".join(sorted(allowed))
        detail = f"an interrupt of kind {row['kind']} takes {words}, not {decision.kind}"
        raise Invalid(detail, [Problem("/decision", detail)])
    row, now = await lock(tx, row)
    if row["status"] == InterruptStatus.EXPIRED or late(row, now):
        raise InterruptExpired(f"{interrupt_id} expired; nobody decided in time")
    if row["status"] != InterruptStatus.PENDING:
        decisions = load(row["decisions"])
        raise AlreadyDecided(interrupt_id, row["status"], decisions[-1]["decided_by"] if decisions else None)
    return await close(tx, row, now, decision, STATUS_AFTER[decision.kind])


async def lock(tx: Transaction, interrupt: Row) -> tuple[Row, datetime]:
    """The interrupt under the locks of its run and its own, and the time."""
    await fenced.locked(tx, interrupt["run_id"])
    row = await tx.one(LOCKED, interrupt["id"])
    stamp = await tx.one(fenced.NOW, tx.now)
    if row is None or stamp is None:
        raise NotFound("interrupt", interrupt["id"])
    return row, stamp["now"]


async def close(tx: Transaction, row: Row, now: datetime, decision: Decision, status: InterruptStatus) -> Interrupt:
    """Write the decision on a pending interrupt and send it to the run."""
    said = jsons.encode(replace(decision, decided_at=now))
    interrupt_id: str = row["id"]
    closed = await tx.one(CLOSE, interrupt_id, status, dump([said]))
    if closed is None:
        raise NotFound("interrupt", interrupt_id)
    body = {"interrupt_id": interrupt_id, "decision": said}
    await send.send(tx, row["tenant"], row["run_id"], DECIDED, body, interrupt_id)
    told = {"interrupt_id": interrupt_id, "status": status, "decided_by": decision.decided_by}
    await tx.tell(row["tenant"], DECIDED, row["run_id"], told, now)
    return interrupt_of(closed)


def late(row: Row, now: datetime) -> bool:
    """Time is up, though the pump may not have come by yet."""
    expires_at: datetime | None = row["expires_at"]
    return row["status"] == InterruptStatus.PENDING and expires_at is not None and expires_at <= now

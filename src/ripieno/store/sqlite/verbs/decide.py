"""Decide: one answer to an interrupt, told to its run in the same transaction."""

from dataclasses import replace
from sqlite3 import Row

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
from ripieno.store.sqlite.rows import interrupt_of
from ripieno.store.sqlite.transaction import Transaction
from ripieno.store.sqlite.verbs import fenced, send

DECIDED = "interrupt.decided"

ONE = f"SELECT {INTERRUPT_COLUMNS} FROM interrupts WHERE id = ? AND tenant = ?"  # noqa: S608 - constants

CLOSE = f"""
UPDATE interrupts SET status = ?, decisions = ? WHERE id = ? RETURNING {INTERRUPT_COLUMNS}
"""  # noqa: S608 - constants


def decide(tx: Transaction, tenant: str, interrupt_id: str, decision: Decision) -> Interrupt:
    """Close a pending interrupt.

    Raises:
        NotFound: No such interrupt.
        Invalid: The decision does not fit the kind.
        AlreadyDecided: Somebody was first, or the run ended.
        InterruptExpired: Too late.
    """
    row = tx.one(ONE, (interrupt_id, tenant))
    if row is None:
        raise NotFound("interrupt", interrupt_id)
    allowed = ALLOWED_DECISIONS[InterruptKind(row["kind"])]
    if decision.kind not in allowed:
        words = ", ".join(sorted(allowed))
        detail = f"an interrupt of kind {row['kind']} takes {words}, not {decision.kind}"
        raise Invalid(detail, [Problem("/decision", detail)])
    if row["status"] == InterruptStatus.EXPIRED or _late(tx, row):
        raise InterruptExpired(f"{interrupt_id} expired; nobody decided in time")
    if row["status"] != InterruptStatus.PENDING:
        raise AlreadyDecided(interrupt_id, row["status"], _decided_by(row))
    return close(tx, row, decision, STATUS_AFTER[decision.kind])


def close(tx: Transaction, row: Row, decision: Decision, status: InterruptStatus) -> Interrupt:
    """Write the decision on a pending interrupt and send it to the run."""
    decision = replace(decision, decided_at=tx.now)
    said = jsons.encode(decision)
    interrupt_id: str = row["id"]
    closed = tx.all(CLOSE, (status, dump([said]), interrupt_id))[0]
    run = fenced.alive(tx, row["tenant"], row["run_id"])  # pending interrupts of ended runs are void
    send.deliver(tx, run, DECIDED, {"interrupt_id": interrupt_id, "decision": said}, interrupt_id)
    told = {"interrupt_id": interrupt_id, "status": status, "decided_by": decision.decided_by}
    tx.tell(row["tenant"], DECIDED, row["run_id"], told)
    return interrupt_of(closed)


def _late(tx: Transaction, row: Row) -> bool:
    """Time is up, though the pump has not come by yet."""
    expires_at: int | None = row["expires_at"]
    return row["status"] == InterruptStatus.PENDING and expires_at is not None and expires_at <= tx.micros


def _decided_by(row: Row) -> str | None:
    decisions = load(row["decisions"])
    return decisions[-1]["decided_by"] if decisions else None

"""Interrupts: decided, delegated, escalated, expired, withdrawn, each in one transaction with all that follows from it.

What may be done is said by `domain.deciding`; here it is kept: the row, the vote, the message to the run, which wakes
it, and the rows for the public and for the audit.
"""

from collections.abc import Sequence
from typing import TypeAlias

from ripieno.domain import deciding, interrupt_rows, jsons
from ripieno.domain.errors import NotFound
from ripieno.domain.interrupt_rows import DECIDED, Row
from ripieno.domain.interrupts import (
    Decision,
    Interrupt,
    InterruptKind,
    InterruptStatus,
    OnExpiry,
    Terms,
    Vote,
)
from ripieno.domain.jsons import JsonObject
from ripieno.domain.principals import SYSTEM, Principal
from ripieno.store.bodies import dump, load
from ripieno.store.columns import INTERRUPT_COLUMNS
from ripieno.store.portable.frame import Cancel, Frame, Frames, Record, Send, Work

SLICE = 200
"""How many overdue interrupts are looked up at once."""

Kept: TypeAlias = list[Interrupt]
"""What earlier tries of one transaction wrote. Found in the table, it was committed, and only the answer was lost: the
person must not be told that somebody was faster."""

WHOSE = "SELECT run_id FROM interrupts WHERE id = :id AND tenant = :tenant"

LOCK = f"SELECT {INTERRUPT_COLUMNS} FROM interrupts WHERE id = :id FOR NO KEY UPDATE"  # noqa: S608 - constants

VOTES = "SELECT body FROM votes WHERE interrupt_id = :id ORDER BY n"

VOTE = "INSERT INTO votes (interrupt_id, voter, n, body) VALUES (:id, :voter, :n, :body)"

KEEP = """
UPDATE interrupts SET status = :status, decisions = :decisions, assignees = :assignees, expires_at = :expires_at,
  escalated_at = :escalated_at
WHERE id = :id
"""

OVERDUE = f"""
SELECT id, tenant FROM interrupts WHERE status = 'pending' AND expires_at <= :now ORDER BY expires_at LIMIT {SLICE}
"""  # noqa: S608


def decide(
    frame: Frame, who: tuple[str, Sequence[str]], interrupt_id: str, word: Decision, kept: Kept
) -> Work[Interrupt]:
    """Take the word of somebody, known by tenant and roles. Raises `NotFound`, and as `deciding.decided`."""
    tenant, roles = who
    before = yield from _locked(frame, tenant, interrupt_id)
    if before in kept:
        return before
    asked = deciding.decided(before, word, roles, frame.now)
    kept.append(asked)
    vote = asked.votes[-1]
    yield from frame.all(VOTE, id=asked.id, voter=vote.by, n=len(asked.votes), body=dump(jsons.encode(vote)))
    yield from _keep(frame, asked, interrupt_rows.of_word(asked, frame.now))
    yield from _send(frame, asked)
    return asked


def delegate(frame: Frame, by: Principal, interrupt_id: str, to: Sequence[str], kept: Kept) -> Work[Interrupt]:
    """Put the question to others. Raises `NotFound`, and as `deciding.delegated`."""
    before = yield from _locked(frame, by.tenant, interrupt_id)
    if before in kept:
        return before
    asked = deciding.delegated(before, by.id, by.roles, to, frame.now)
    kept.append(asked)
    yield from _keep(frame, asked, interrupt_rows.of_reassignment(interrupt_rows.DELEGATE, by.id, asked, frame.now))
    return asked


def escalate(frame: Frame, by: Principal, interrupt_id: str, kept: Kept) -> Work[Interrupt]:
    """Put the question to those above. Raises `NotFound`, and as `deciding.escalated`."""
    before = yield from _locked(frame, by.tenant, interrupt_id)
    if before in kept:
        return before
    asked = deciding.escalated(before, by.id, by.roles, frame.now)
    kept.append(asked)
    yield from _keep(frame, asked, interrupt_rows.of_reassignment(interrupt_rows.ESCALATE, by.id, asked, frame.now))
    return asked


def withdraw(frame: Frame, tenant: str, interrupt_id: str) -> Work[Interrupt]:
    """Take a question back that is still open, because its run does not ask it any more. Raises `NotFound`."""
    before = yield from _locked(frame, tenant, interrupt_id)
    asked = deciding.withdrawn(before)
    if asked != before:
        yield from _keep(frame, asked, interrupt_rows.of_withdrawal(asked, frame.now))
    return asked


async def expire_due(frames: Frames) -> int:
    """Act on every interrupt whose time is over; answers how many. Raises `StoreBusy`."""
    total = 0
    while True:
        due = await frames.read(_overdue)
        for row in due:
            total += await frames.write(_expire, row["tenant"], row["id"])
        if len(due) < SLICE:
            return total


def _overdue(frame: Frame) -> Work[list[Record]]:
    return (yield from frame.all(OVERDUE, now=frame.now))


def _expire(frame: Frame, tenant: str, interrupt_id: str) -> Work[int]:
    """0 when somebody was faster."""
    before = yield from _locked(frame, tenant, interrupt_id)
    if not deciding.overdue(before, frame.now):
        return 0
    asked = deciding.expired(before, frame.now)
    yield from _keep(frame, asked, interrupt_rows.of_expiry(asked, frame.now))
    if asked.terms.on_expiry is OnExpiry.CANCEL:
        # Its children are found by the pump.
        yield from frame.cancel(Cancel(tenant, asked.run_id, SYSTEM.id, f"nobody decided {asked.id} in time"))
    else:
        yield from _send(frame, asked)
    return 1


def interrupt_of(row: Record, votes: Sequence[JsonObject]) -> Interrupt:
    """A row of INTERRUPT_COLUMNS, with its votes in order."""
    return Interrupt(
        id=row["id"],
        tenant=row["tenant"],
        run_id=row["run_id"],
        key=row["key"],
        kind=InterruptKind(row["kind"]),
        status=InterruptStatus(row["status"]),
        subject_hash=row["subject_hash"],
        request=row.json("request"),
        risk=row["risk"],
        reasons=tuple(row.json("reasons")),
        requested_by=row["requested_by"],
        created_at=row.time("created_at"),
        expires_at=row.time_or_none("expires_at"),
        decisions=tuple(jsons.decode(Decision, decision) for decision in row.json("decisions")),
        terms=jsons.decode(Terms, row.json("terms")),
        assignees=tuple(row.json("assignees")),
        escalated_at=row.time_or_none("escalated_at"),
        votes=tuple(jsons.decode(Vote, vote) for vote in votes),
    )


# -- steps that several share ------------------------------------------------------------------------------------------


def _locked(frame: Frame, tenant: str, interrupt_id: str) -> Work[Interrupt]:
    whose = yield from frame.one(WHOSE, id=interrupt_id, tenant=tenant)
    if whose is None:
        raise NotFound("interrupt", interrupt_id)
    yield from frame.lock(whose["run_id"])
    row = yield from frame.one(LOCK, id=interrupt_id)
    if row is None:
        raise NotFound("interrupt", interrupt_id)
    votes = yield from frame.all(VOTES, id=interrupt_id)
    return interrupt_of(row, [vote.json("body") for vote in votes])


def _keep(frame: Frame, asked: Interrupt, rows: Sequence[Row]) -> Work[None]:
    """Write the interrupt, and what the outbox says of it."""
    yield from frame.all(
        KEEP,
        id=asked.id,
        status=asked.status.value,
        decisions=dump([jsons.encode(decision) for decision in asked.decisions]),
        assignees=dump(asked.assignees),
        expires_at=asked.expires_at,
        escalated_at=asked.escalated_at,
    )
    for kind, body in rows:
        yield from frame.tell(asked.tenant, kind, asked.run_id, body)


def _send(frame: Frame, asked: Interrupt) -> Work[None]:
    """Tell the run, where something was decided."""
    for decision in asked.decisions:
        body = {"interrupt_id": asked.id, "decision": jsons.encode(decision)}
        yield from frame.send(Send(asked.tenant, asked.run_id, DECIDED, body, asked.id))


def votes_in(text: str | None) -> list[JsonObject]:
    """The votes of a row that was read together with them, as the column `votes`."""
    return load(text) if text else []

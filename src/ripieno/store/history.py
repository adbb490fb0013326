"""What may be done with a run's past, once for both databases."""

from collections.abc import Sequence
from typing import TypeVar

from ripieno.domain.dead_letters import TAKEN_UP, DeadLetter, DeadLetterKind
from ripieno.domain.effects import Effect
from ripieno.domain.entries import NewEntry
from ripieno.domain.errors import Conflict, NotFound, RunActive
from ripieno.domain.hints import HintKind
from ripieno.domain.outbox import RETRY_RUN, ROLLBACK_RUN
from ripieno.domain.past import Founding, Reopening, Settled
from ripieno.domain.runs import TERMINAL, Run, RunKind, RunStatus
from ripieno.ports import Records
from ripieno.store.bodies import dump
from ripieno.store.dead_letters import discard_effect, open_letters, take_up
from ripieno.store.portable.audit import audit
from ripieno.store.portable.frame import Frame, Frames, Record, Work

T = TypeVar("T")

LOCKED = """
SELECT id, tenant, status, epoch, generation, last_seq FROM runs
WHERE id = :id AND tenant = :tenant FOR NO KEY UPDATE
"""

# A rollback's target is the run that it undoes. It is started under that run's lock, so none begins unseen.
UNDOING = """
SELECT id FROM runs WHERE tenant = :tenant AND target = :id AND kind = :rollback AND ended_at IS NULL ORDER BY id
"""

REOPEN = """
UPDATE runs SET status = 'queued', exit_reason = NULL, result = NULL, ended_at = NULL, deadline = :deadline,
  owner = NULL, epoch = :epoch, deaths = 0, last_seq = :seq, generation = generation + 1, hold = false,
  cancel_at = NULL, cancel_by = NULL, cancel_reason = NULL, waits = '[]', wake_at = NULL, updated_at = :now
WHERE id = :id AND tenant = :tenant
"""

ADVANCE = "UPDATE runs SET last_seq = :seq WHERE id = :id AND tenant = :tenant"

ENTRY = """
INSERT INTO entries (run_id, seq, key, type, v, body, at, epoch)
VALUES (:id, :seq::int, :key, :type, 1, :body::json, :now, :epoch::int)
"""

KNOWN = """
SELECT body FROM entries WHERE run_id = :id AND key = :key
  AND EXISTS (SELECT 1 FROM runs WHERE runs.id = entries.run_id AND runs.tenant = :tenant)
"""

EFFECT = """
INSERT INTO effects (
  run_id, key, attempt, seq, tool, effect, state, idempotency_key, arguments_hash, intended_at, closed_at
) VALUES (
  :id, :key, :attempt::int, 0, :tool, :effect, :state, :idempotency_key, :arguments_hash, :intended_at, :closed_at
)
"""

SETTLE = """
UPDATE effects SET state = :state, closed_at = :now
WHERE run_id = :id AND key = :key AND attempt = :attempt::int AND state <> :state
  AND EXISTS (SELECT 1 FROM runs WHERE runs.id = effects.run_id AND runs.tenant = :tenant)
"""


class StoredHistory:
    """`ports.History` on SQLite and PostgreSQL."""

    def __init__(self, frames: Frames, records: Records) -> None:
        self._frames = frames
        self._records = records

    async def reopen(self, wish: Reopening) -> Run:
        await self._frames.write(_reopen, wish)
        return await self._records.run(wish.tenant, wish.run_id)

    async def found(self, wish: Founding) -> bool:
        return await self._frames.write(_found, wish)

    async def settle(self, tenant: str, settled: Sequence[Settled]) -> None:
        await self._frames.write(_settle, tenant, settled)


def _reopen(frame: Frame, wish: Reopening) -> Work[None]:
    known = yield from frame.one(KNOWN, id=wish.run_id, key=wish.entry.key, tenant=wish.tenant)
    if known is not None and known.json("body") == wish.entry.body:
        return  # the answer to this very request was lost
    row = yield from _ended(frame, wish.tenant, wish.run_id)
    if row["last_seq"] != wish.last_seq:
        raise Conflict(f"run {wish.run_id} has changed meanwhile; look at it and ask again")
    epoch = row["epoch"] + 1
    yield from _write(frame, wish.run_id, wish.last_seq + 1, epoch, wish.entry)
    yield from frame.all(
        REOPEN,
        id=wish.run_id,
        tenant=wish.tenant,
        deadline=wish.deadline,
        epoch=epoch,
        seq=wish.last_seq + 1,
        now=frame.now,
    )
    letters = yield from open_letters(frame, wish.tenant, wish.run_id, TAKEN_UP)
    yield from take_up(frame, letters, wish.by, {"run_id": wish.run_id, "generation": row["generation"] + 1})
    yield from _say(frame, wish.tenant, wish.settled, wish.by)
    yield from frame.tell(wish.tenant, "run.retried", wish.run_id, {"key": wish.entry.key})
    yield from audit(frame, (wish.tenant, wish.by), RETRY_RUN, wish.run_id, {"from": wish.entry.key})
    frame.hint(wish.run_id, HintKind.WORK, HintKind.STATUS, HintKind.PROGRESS)


def _found(frame: Frame, wish: Founding) -> Work[bool]:
    run = wish.run
    if wish.about is not None:
        yield from _ended(frame, run.tenant, wish.about, run.id)
    letters: list[DeadLetter] = []
    if wish.instead_of is not None:
        letters = yield from open_letters(frame, run.tenant, wish.instead_of, {DeadLetterKind.RUN})
    if not (yield from frame.start(run)):
        return False
    for seq, entry in enumerate(wish.entries, start=1):
        yield from _write(frame, run.id, seq, 0, entry)
    for effect in wish.effects:
        yield from _keep(frame, run.id, effect)
    yield from frame.all(ADVANCE, id=run.id, tenant=run.tenant, seq=len(wish.entries))
    if wish.about is not None:
        yield from audit(frame, (run.tenant, run.created_by), ROLLBACK_RUN, wish.about, {"by_run": run.id})
    yield from take_up(frame, letters, run.created_by, {"run_id": run.id})
    yield from _say(frame, run.tenant, wish.settled, run.created_by)
    return True


def _ended(frame: Frame, tenant: str, run_id: str, founding: str = "") -> Work[Record]:
    """The run under its lock. Raises `NotFound`, and `RunActive` where it or a rollback of it goes on.

    The rollback that is being founded does not count: the answer to the first time may have been lost.
    """
    row = yield from frame.one(LOCKED, id=run_id, tenant=tenant)
    if row is None:
        raise NotFound("run", run_id)
    if RunStatus(row["status"]) not in TERMINAL:
        raise RunActive(run_id, [run_id])
    undoing = yield from frame.all(UNDOING, id=run_id, tenant=tenant, rollback=RunKind.ROLLBACK.value)
    others = [one["id"] for one in undoing if one["id"] != founding]
    if others:
        raise RunActive(run_id, others)
    return row


def _write(frame: Frame, run_id: str, seq: int, epoch: int, entry: NewEntry) -> Work[None]:
    body = dump(entry.body)
    yield from frame.all(
        ENTRY, id=run_id, seq=seq, key=entry.key, type=entry.type.value, body=body, now=frame.now, epoch=epoch
    )


def _keep(frame: Frame, run_id: str, effect: Effect) -> Work[None]:
    yield from frame.all(
        EFFECT,
        id=run_id,
        key=effect.key,
        attempt=effect.attempt,
        tool=effect.tool,
        effect=effect.effect.value,
        state=effect.state.value,
        idempotency_key=effect.idempotency_key,
        arguments_hash=effect.arguments_hash,
        intended_at=effect.intended_at or frame.now,
        closed_at=effect.closed_at,
    )


def _say(frame: Frame, tenant: str, settled: Sequence[Settled], by: str) -> Work[None]:
    """Settle effects; somebody has said what became of them, so that they are no dead letters any more."""
    for word in settled:
        yield from discard_effect(frame, tenant, word.effect, by)
    yield from _settle(frame, tenant, settled)


def _settle(frame: Frame, tenant: str, settled: Sequence[Settled]) -> Work[None]:
    for word in settled:
        yield from frame.all(
            SETTLE,
            id=word.effect.run_id,
            key=word.effect.key,
            attempt=word.effect.attempt,
            state=word.state.value,
            now=frame.now,
            tenant=tenant,
        )

"""Dead letters on both databases: listing them, and settling each once."""

from collections.abc import Collection, Sequence

from ripieno.domain.dead_letters import (
    DeadLetter,
    DeadLetterFilter,
    DeadLetterKind,
    DeadLetterState,
    Message,
    Replay,
)
from ripieno.domain.errors import DeadLetterSettled, NotFound
from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.past import EffectName
from ripieno.store.bodies import dump
from ripieno.store.portable.audit import audit
from ripieno.store.portable.frame import Frame, Frames, Record, Send, Work

ONE = "SELECT * FROM dead_letters WHERE tenant = :tenant AND id = :id"

OPEN = """
SELECT * FROM dead_letters
WHERE tenant = :tenant AND run_id = :run_id AND state = 'open' AND kind = ANY(:kinds::text[]) ORDER BY id FOR UPDATE
"""

PAGE = """
SELECT * FROM dead_letters
WHERE tenant = :tenant
  AND (:kind::text IS NULL OR kind = :kind) AND (:state::text IS NULL OR state = :state)
  AND (:run_id::text IS NULL OR run_id = :run_id)
  AND (:before::text IS NULL
    OR (created_at, id) < (SELECT created_at, id FROM dead_letters WHERE tenant = :tenant AND id = :before))
ORDER BY created_at DESC, id DESC LIMIT :limit::int
"""

SETTLE = """
UPDATE dead_letters SET state = :state, settled_at = :now, settled_by = :by, outcome = :outcome WHERE id = :id
RETURNING *
"""

CLOSE_EFFECT = """
UPDATE effects SET state = 'done', closed_at = :now
WHERE run_id = :run_id AND key || '/' || attempt = :subject AND state IN ('unknown', 'failed')
"""


class StoredDeadLetters:
    """`ports.DeadLetters`."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames

    async def page(
        self, tenant: str, which: DeadLetterFilter, limit: int, before: str | None = None
    ) -> Sequence[DeadLetter]:
        return await self._frames.read(_page, tenant, which, limit, before)

    async def get(self, tenant: str, letter_id: str) -> DeadLetter:
        return await self._frames.read(_get, tenant, letter_id)

    async def replay(self, tenant: str, letter_id: str, order: Replay) -> DeadLetter:
        return await self._frames.write(_replay, tenant, letter_id, order)

    async def discard(self, tenant: str, letter_id: str, by: str) -> DeadLetter:
        return await self._frames.write(_discard, tenant, letter_id, by)


def _page(frame: Frame, tenant: str, which: DeadLetterFilter, limit: int, before: str | None) -> Work[list[DeadLetter]]:
    rows = yield from frame.all(
        PAGE, tenant=tenant, kind=which.kind, state=which.state, run_id=which.run_id, before=before, limit=limit
    )
    return [_letter(row) for row in rows]


def _get(frame: Frame, tenant: str, letter_id: str) -> Work[DeadLetter]:
    return (yield from _one(frame, ONE, tenant, letter_id))


def _one(frame: Frame, sql: str, tenant: str, letter_id: str) -> Work[DeadLetter]:
    row = yield from frame.one(sql, tenant=tenant, id=letter_id)
    if row is None:
        raise NotFound("dead letter", letter_id)
    return _letter(row)


def _replay(frame: Frame, tenant: str, letter_id: str, order: Replay) -> Work[DeadLetter]:
    letter = yield from _one(frame, f"{ONE} FOR UPDATE", tenant, letter_id)
    if letter.state is DeadLetterState.REPLAYED:
        return letter
    if letter.state is DeadLetterState.DISCARDED:
        raise DeadLetterSettled(letter_id, letter.state)
    outcome = yield from _do(frame, letter, order)
    settled = yield from _settle(frame, letter, DeadLetterState.REPLAYED, order.by, outcome)
    yield from audit(frame, (tenant, order.by), "REPLAY_DEAD_LETTER", letter_id, outcome)
    return settled


def _do(frame: Frame, letter: DeadLetter, order: Replay) -> Work[JsonObject]:
    if order.run is not None:
        yield from frame.start(order.run)
        return {"run_id": order.run.id}
    if order.message is not None:
        return (yield from _send(frame, letter, order.message))
    yield from frame.all(CLOSE_EFFECT, run_id=letter.run_id, subject=letter.subject, now=frame.now)
    return {"result": order.result, "run_id": order.through}


# -- settled by what else was done ------------------------------------------------------------------------------------


def open_letters(frame: Frame, tenant: str, run_id: str, kinds: Collection[str]) -> Work[list[DeadLetter]]:
    """The dead letters of a run with which nobody has dealt, locked."""
    rows = yield from frame.all(OPEN, tenant=tenant, run_id=run_id, kinds=sorted(kinds))
    return [_letter(row) for row in rows]


def take_up(frame: Frame, letters: Sequence[DeadLetter], by: str, outcome: JsonObject) -> Work[None]:
    """Settle letters, because a run does what they ask for."""
    for letter in letters:
        yield from _settle(frame, letter, DeadLetterState.REPLAYED, by, outcome)
        yield from audit(frame, (letter.tenant, by), "REPLAY_DEAD_LETTER", letter.id, outcome)


def discard_effect(frame: Frame, tenant: str, effect: EffectName, by: str) -> Work[None]:
    """Settle the letter of an effect, because somebody has said what became of it."""
    subject = f"{effect.key}/{effect.attempt}"
    for letter in (yield from open_letters(frame, tenant, effect.run_id, {DeadLetterKind.EFFECT})):
        if letter.subject == subject:
            yield from _put_aside(frame, letter, by)


def _send(frame: Frame, letter: DeadLetter, message: Message) -> Work[JsonObject]:
    dedupe = letter.id  # the letter is delivered once, however often it is replayed
    n = yield from frame.send(Send(letter.tenant, message.run_id, message.topic, message.body, dedupe))
    return {"run_id": message.run_id, "n": n}


def _discard(frame: Frame, tenant: str, letter_id: str, by: str) -> Work[DeadLetter]:
    letter = yield from _one(frame, f"{ONE} FOR UPDATE", tenant, letter_id)
    if letter.state is DeadLetterState.DISCARDED:
        return letter
    if letter.state is DeadLetterState.REPLAYED:
        raise DeadLetterSettled(letter_id, letter.state)
    return (yield from _put_aside(frame, letter, by))


def _put_aside(frame: Frame, letter: DeadLetter, by: str) -> Work[DeadLetter]:
    settled = yield from _settle(frame, letter, DeadLetterState.DISCARDED, by, None)
    detail = {"kind": letter.kind.value, "run_id": letter.run_id, "cause": letter.cause}
    yield from audit(frame, (letter.tenant, by), "DISCARD_DEAD_LETTER", letter.id, detail)
    return settled


def _settle(frame: Frame, letter: DeadLetter, state: DeadLetterState, by: str, outcome: Json) -> Work[DeadLetter]:
    kept = None if outcome is None else dump(outcome)
    (row,) = yield from frame.all(SETTLE, id=letter.id, state=state, by=by, outcome=kept, now=frame.now)
    return _letter(row)


def _letter(row: Record) -> DeadLetter:
    return DeadLetter(
        id=row["id"],
        tenant=row["tenant"],
        kind=DeadLetterKind(row["kind"]),
        run_id=row["run_id"],
        subject=row["subject"],
        cause=row["cause"],
        detail=row["detail"],
        attempts=row["attempts"],
        payload=row.json("payload"),
        created_at=row.time("created_at"),
        state=DeadLetterState(row["state"]),
        settled_at=row.time_or_none("settled_at"),
        settled_by=row["settled_by"],
        outcome=row.json("outcome"),
    )

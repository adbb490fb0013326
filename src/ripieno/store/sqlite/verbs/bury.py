"""Bury: what a run that ends leaves undone becomes dead letters, in the transaction of its end."""

from dataclasses import replace
from sqlite3 import Row

from ripieno.domain import dead_letters
from ripieno.domain.dead_letters import DeadLetter, Recorded
from ripieno.domain.runs import RunResult, RunStatus
from ripieno.store.bodies import dump, load
from ripieno.store.columns import EFFECT_COLUMNS, INBOX_COLUMNS
from ripieno.store.sqlite.rows import effect_of, inbox_of
from ripieno.store.sqlite.transaction import Transaction
from ripieno.store.sqlite.verbs import fenced

# Nearly every run leaves nothing: this finds out with one look at each index.
ANYTHING = """
SELECT EXISTS (SELECT 1 FROM effects WHERE run_id = ?1 AND state IN ('intended', 'unknown', 'failed'))
  OR EXISTS (SELECT 1 FROM inbox WHERE run_id = ?1 AND state = 'unread') AS anything
"""

EFFECTS = f"""
SELECT {", ".join(f"effects.{name}" for name in EFFECT_COLUMNS.split(", "))},
  intent.body ->> '$.arguments' AS arguments, returned.body ->> '$.result.text' AS said
FROM effects
LEFT JOIN entries AS intent ON intent.run_id = effects.run_id AND intent.seq = effects.seq
LEFT JOIN entries AS returned ON returned.run_id = effects.run_id AND returned.key = effects.key
WHERE effects.run_id = ? ORDER BY effects.seq, effects.key, effects.attempt
"""  # noqa: S608 - constants

UNREAD = f"SELECT {INBOX_COLUMNS} FROM inbox WHERE run_id = ? AND state = 'unread' ORDER BY n"  # noqa: S608

INSERT = """
INSERT INTO dead_letters (id, tenant, kind, state, run_id, subject, cause, detail, attempts, payload, created_at)
VALUES (?, ?, ?, 'open', ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING
"""


def bury(tx: Transaction, run: Row, result: RunResult) -> None:
    """Keep what the run leaves undone; call it before anything of the run is closed."""
    run_id: str = run["id"]
    found = tx.one(ANYTHING, (run_id,))
    if result.status is not RunStatus.FAILED and not (found and found["anything"]):
        return
    whole = replace(fenced.whole(tx, run["tenant"], run_id), updated_at=tx.now)
    recorded = [_recorded(row) for row in tx.all(EFFECTS, (run_id,))]
    unread = inbox_of(tx.all(UNREAD, (run_id,)))
    for letter in dead_letters.left_by(whole, result, recorded, unread):
        tx.run(INSERT, _parameters(letter, tx.micros))


def _recorded(row: Row) -> Recorded:
    *columns, arguments, said = row
    return Recorded(effect_of(columns), load(arguments) if arguments else {}, said or "")  # pyright: ignore[reportArgumentType]


def _parameters(letter: DeadLetter, now: int) -> tuple[object, ...]:
    return (
        letter.id,
        letter.tenant,
        letter.kind,
        letter.run_id,
        letter.subject,
        letter.cause,
        letter.detail,
        letter.attempts,
        dump(letter.payload),
        now,
    )

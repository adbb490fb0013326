"""What a leg reads: everything about the runs that it now owns. One statement a table, none a run or a step."""

from collections.abc import Sequence

from ripieno.domain.batches import Claimed
from ripieno.domain.entries import InboxRow
from ripieno.domain.runs import Run
from ripieno.store.columns import EFFECT_COLUMNS, ENTRY_COLUMNS, INBOX_COLUMNS
from ripieno.store.postgres.database import Transaction
from ripieno.store.postgres.rows import INTERRUPT_READ, by_run, effect_of, entry_of, interrupt_of, letter_of

ENTRIES = f"SELECT {ENTRY_COLUMNS} FROM entries WHERE run_id = ANY($1) ORDER BY run_id, seq"  # noqa: S608 - constants
UNREAD = f"""
SELECT run_id, {INBOX_COLUMNS} FROM inbox WHERE run_id = ANY($1) AND state = 'unread' ORDER BY run_id, n
"""  # noqa: S608
EFFECTS = f"""
SELECT {EFFECT_COLUMNS} FROM effects WHERE run_id = ANY($1) ORDER BY run_id, seq, key, attempt
"""  # noqa: S608
INTERRUPTS = f"""
SELECT {INTERRUPT_READ} FROM interrupts WHERE run_id = ANY($1) ORDER BY run_id, created_at, id
"""  # noqa: S608

# How far the inbox goes and what is in it, as of one moment.
STANDING = f"""
SELECT runs.inbox_seq, {INBOX_COLUMNS} FROM runs LEFT JOIN inbox ON inbox.run_id = runs.id AND inbox.state = 'unread'
WHERE runs.id = $1 AND runs.epoch = $2 AND runs.status = 'running' ORDER BY n
"""  # noqa: S608


async def read(tx: Transaction, runs: Sequence[Run]) -> list[Claimed]:
    """Read what there is about claimed runs.

    The rows of the runs were read first: what is sent meanwhile is in the inbox read here or not, but is never counted
    in `inbox_seq` and missing.
    """
    known = [run.id for run in runs if run.last_seq or run.inbox_seq]
    if not known:
        return [Claimed(run, (), (), (), ()) for run in runs]
    entries, letters = by_run(await tx.all(ENTRIES, known)), by_run(await tx.all(UNREAD, known))
    effects, asked = by_run(await tx.all(EFFECTS, known)), by_run(await tx.all(INTERRUPTS, known))
    return [
        Claimed(
            run,
            tuple(map(entry_of, entries.get(run.id, ()))),
            tuple(map(letter_of, letters.get(run.id, ()))),
            tuple(map(effect_of, effects.get(run.id, ()))),
            tuple(map(interrupt_of, asked.get(run.id, ()))),
        )
        for run in runs
    ]


async def unread(tx: Transaction, run_id: str, epoch: int) -> tuple[int, tuple[InboxRow, ...]] | None:
    """How far the inbox goes, and what in it is not consumed; None when the epoch is over."""
    rows = await tx.all(STANDING, run_id, epoch)
    if not rows:
        return None
    return rows[0]["inbox_seq"], tuple(letter_of(row) for row in rows if row["n"] is not None)

"""What a leg reads: everything about the run that it now owns."""

import sqlite3
from collections.abc import Sequence

from ripieno.domain.batches import Claimed
from ripieno.domain.entries import InboxRow
from ripieno.domain.runs import Run, RunStatus
from ripieno.store.columns import EFFECT_COLUMNS, ENTRY_COLUMNS, INBOX_COLUMNS, RUN_COLUMNS
from ripieno.store.sqlite.rows import INTERRUPT_READ, effect_of, entries_of, inbox_of, interrupt_of, run_of
from ripieno.store.sqlite.verbs.fenced import lost

# One statement a table, none a step.
RUN = f"SELECT {RUN_COLUMNS} FROM runs WHERE id = ? AND epoch = ?"  # noqa: S608 - constants
ENTRIES = f"SELECT {ENTRY_COLUMNS} FROM entries WHERE run_id = ? ORDER BY seq"  # noqa: S608
UNREAD = f"SELECT {INBOX_COLUMNS} FROM inbox WHERE run_id = ? AND state = 'unread' ORDER BY n"  # noqa: S608
EFFECTS = f"SELECT {EFFECT_COLUMNS} FROM effects WHERE run_id = ? ORDER BY seq, key, attempt"  # noqa: S608
INTERRUPTS = f"SELECT {INTERRUPT_READ} FROM interrupts WHERE run_id = ? ORDER BY created_at, id"  # noqa: S608
STANDING = "SELECT inbox_seq FROM runs WHERE id = ? AND epoch = ? AND status = ?"


def fresh(run: Run) -> Claimed | None:
    """What there is about a run that has never done or received anything; None when it has."""
    if run.last_seq or run.inbox_seq:
        return None
    return Claimed(run, (), (), (), ())


def load(connection: sqlite3.Connection, runs: Sequence[Run]) -> list[Claimed]:
    """Read what there is about claimed runs; a run that was lost again meanwhile is left out."""
    return [claimed for run in runs if (claimed := fresh(run) or _load(connection, run)) is not None]


def _load(connection: sqlite3.Connection, run: Run) -> Claimed | None:
    row = connection.execute(RUN, (run.id, run.epoch)).fetchone()
    if row is None:
        return None
    own = (run.id,)
    return Claimed(
        run_of(row),
        entries_of(connection.execute(ENTRIES, own).fetchall()),
        inbox_of(connection.execute(UNREAD, own).fetchall()),
        tuple(map(effect_of, connection.execute(EFFECTS, own))),
        tuple(map(interrupt_of, connection.execute(INTERRUPTS, own))),
    )


def unread(connection: sqlite3.Connection, run_id: str, epoch: int) -> tuple[int, tuple[InboxRow, ...]]:
    """How far the inbox goes, and what in it is not consumed. Raises `LegLost`."""
    row = connection.execute(STANDING, (run_id, epoch, RunStatus.RUNNING)).fetchone()
    if row is None:
        raise lost(run_id, epoch)
    return row["inbox_seq"], inbox_of(connection.execute(UNREAD, (run_id,)).fetchall())

"""Finish: the last entry of a run, and all that its end means to others."""

from sqlite3 import Row

from ripieno.domain import jsons
from ripieno.domain.entries import Entry, EntryType, NewEntry, ending_key
from ripieno.domain.hints import HintKind
from ripieno.domain.runs import OVERDUE, TERMINAL, ExitReason, RunError, RunResult, RunStatus
from ripieno.store.bodies import dump
from ripieno.store.sqlite.transaction import Transaction
from ripieno.store.sqlite.verbs import append, bury, fenced, give_back, send, spend

CHILD_ENDED = "child.ended"

END = """
UPDATE runs SET status = :status, exit_reason = :exit_reason, result = :result, last_seq = :seq, epoch = :epoch,
  owner = NULL, deaths = 0, waits = '[]', wake_at = NULL, ended_at = :now, updated_at = :now,
  after_id = NULL, next_id = NULL
WHERE id = :id
"""

# What waited for it waits for what it waited for itself.
NEXT = "UPDATE runs SET after_id = ?, updated_at = ? WHERE id = ? RETURNING status"

BEFORE = "UPDATE runs SET next_id = ?, updated_at = ? WHERE id = ?"

VOID_INTERRUPTS = "UPDATE interrupts SET status = 'void' WHERE run_id = ? AND status = 'pending'"

DROP_UNREAD = "UPDATE inbox SET state = 'undelivered' WHERE run_id = ? AND state = 'unread'"

# Nobody is left who could say whether these happened.
LOSE_INTENTS = "UPDATE effects SET state = 'unknown' WHERE run_id = ? AND state = 'intended'"


def finish(tx: Transaction, run_id: str, epoch: int, ending: NewEntry, result: RunResult) -> Entry:
    """End a leg's run. Raises `LegLost`."""
    return end(tx, fenced.owned(tx, run_id, epoch), epoch, ending, result)


def cancel(tx: Transaction, run: Row, by: str, reason: str) -> Entry:
    """End a run that has no leg, or whose leg is cut off: under a new epoch, as cancelled."""
    said = f"cancelled by {by}" + (f": {reason}" if reason else "")
    result = RunResult(RunStatus.CANCELLED, ExitReason.OPERATOR, error=RunError("cancelled", said))
    ending = NewEntry(ending_key(run["generation"]), EntryType.RUN_CANCELLED, {"result": jsons.encode(result)})
    return end(tx, run, run["epoch"] + 1, ending, result)


def end_overdue(tx: Transaction, run: Row) -> Entry:
    """End a run that has no leg, because its deadline has passed."""
    ending = NewEntry(ending_key(run["generation"]), EntryType.RUN_FAILED, {"result": jsons.encode(OVERDUE)})
    return end(tx, run, run["epoch"] + 1, ending, OVERDUE)


def end(tx: Transaction, run: Row, epoch: int, ending: NewEntry, result: RunResult) -> Entry:
    """Write the ending of a run of which the row was read in this transaction and that has not ended."""
    run_id: str = run["id"]
    bury.bury(tx, run, result)
    entry = Entry(run_id, run["last_seq"] + 1, ending.key, ending.type, ending.body, tx.now, epoch)
    append.write(tx, entry)
    outcome = jsons.encode(result)
    values = {
        "id": run_id,
        "status": result.status,
        "exit_reason": result.exit_reason,
        "result": dump(outcome),
        "seq": entry.seq,
        "epoch": epoch,
        "now": tx.micros,
    }
    tx.run(END, values)
    for statement in (VOID_INTERRUPTS, DROP_UNREAD, LOSE_INTENTS, spend.SETTLE_REST):
        tx.run(statement, (run_id,))
    give_back.give_back(tx, run["tenant"], run_id)
    _step_out(tx, run)
    told = {"status": result.status, "exit_reason": result.exit_reason}
    tx.tell(run["tenant"], "run.ended", run_id, told)
    tx.hint(run_id, HintKind.PROGRESS, HintKind.STATUS)
    if run["parent_id"] is not None:
        _tell_parent(tx, run["parent_id"], {"run_id": run_id, "result": outcome})
    return entry


def _step_out(tx: Transaction, run: Row) -> None:
    """Take a run out of the queue of its session."""
    if run["next_id"] is not None:
        status = tx.all(NEXT, (run["after_id"], tx.micros, run["next_id"]))[0]["status"]
        if run["after_id"] is None and status == RunStatus.QUEUED:
            tx.hint(run["next_id"], HintKind.WORK, HintKind.STATUS)
    if run["after_id"] is not None:
        tx.run(BEFORE, (run["next_id"], tx.micros, run["after_id"]))


def _tell_parent(tx: Transaction, parent_id: str, body: jsons.JsonObject) -> None:
    parent = tx.one(fenced.ROW, (parent_id,))
    if parent is not None and parent["status"] not in TERMINAL:
        send.deliver(tx, parent, CHILD_ENDED, body, body["run_id"])

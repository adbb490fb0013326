"""Send: a message into a run's inbox, which wakes the run if it waits."""

from sqlite3 import Row

from ripieno.domain.hints import HintKind
from ripieno.domain.jsons import JsonObject
from ripieno.domain.runs import RunStatus
from ripieno.store.bodies import dump
from ripieno.store.sqlite.transaction import Transaction
from ripieno.store.sqlite.verbs import fenced

KNOWN = "SELECT n FROM inbox WHERE run_id = ? AND dedupe = ?"

INSERT = "INSERT INTO inbox (run_id, n, topic, dedupe, body, state, at) VALUES (?, ?, ?, ?, ?, 'unread', ?)"

# The counter moves whatever the status: a leg that is about to park sees that something came.
COUNT = "UPDATE runs SET inbox_seq = ?, updated_at = ? WHERE id = ?"

QUEUE = "UPDATE runs SET status = 'queued', waits = '[]', wake_at = NULL, updated_at = ? WHERE id = ?"


def send(tx: Transaction, tenant: str, run_id: str, topic: str, body: JsonObject, dedupe: str) -> int:
    """Deliver a message; answers its number, for a double the first one. Raises `NotFound` and `RunEnded`."""
    return deliver(tx, fenced.alive(tx, tenant, run_id), topic, body, dedupe)


def deliver(tx: Transaction, run: Row, topic: str, body: JsonObject, dedupe: str) -> int:
    """The same for a run of which the row was read in this transaction and that has not ended."""
    run_id: str = run["id"]
    known = tx.one(KNOWN, (run_id, dedupe))
    if known is not None:
        return known["n"]
    n: int = run["inbox_seq"] + 1
    tx.run(INSERT, (run_id, n, topic, dedupe, dump(body), tx.micros))
    tx.run(COUNT, (n, tx.micros, run_id))
    if run["status"] in fenced.WAITING and not run["hold"]:
        queue(tx, run_id)
    elif run["status"] == RunStatus.RUNNING:
        tx.hint(run_id, HintKind.CONTROL)
    return n


def queue(tx: Transaction, run_id: str) -> None:
    """Let a parked run be claimed."""
    tx.run(QUEUE, (tx.micros, run_id))
    tx.hint(run_id, HintKind.WORK, HintKind.STATUS)

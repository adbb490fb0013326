"""Recover: what a process that is gone left running."""

from ripieno.store.sqlite.transaction import Transaction
from ripieno.store.sqlite.verbs import fenced, release

RUNNING = fenced.ROW.replace("id = ?", "status = 'running'")

# A leg that committed nothing may be what killed its worker.
COUNT_DEATH = "UPDATE runs SET deaths = deaths + 1 WHERE id = ?"


def recover(tx: Transaction) -> int:
    """Give every running run back under a new epoch; answers how many."""
    rows = tx.all(RUNNING)
    for row in rows:
        if row["last_seq"] == row["claimed_seq"]:
            tx.run(COUNT_DEATH, (row["id"],))
        release.let_go(tx, row, row["epoch"] + 1)
    return len(rows)

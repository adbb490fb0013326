"""Recover: what a process that is gone left running."""

from ripieno.store.sqlite.transaction import Transaction
from ripieno.store.sqlite.verbs import fenced, release

RUNNING = fenced.ROW.replace("id = ?", "status = 'running'")

# A leg that took no step forward may be what killed its worker; one that did ends the row of deaths. An intent is no
# step: the act is what kills.
COUNT_DEATH = """
UPDATE runs SET deaths = CASE WHEN EXISTS (
  SELECT 1 FROM entries WHERE run_id = ?1 AND seq > runs.claimed_seq AND type <> 'effect.intended'
) THEN 0 ELSE deaths + 1 END WHERE id = ?1
"""


def recover(tx: Transaction) -> int:
    """Give every running run back under a new epoch; answers how many."""
    rows = tx.all(RUNNING)
    for row in rows:
        tx.run(COUNT_DEATH, (row["id"],))
        release.let_go(tx, row, row["epoch"] + 1)
    return len(rows)

"""Reservations: written before a run spends, settled with what came of it. Part of append and finish."""

from ripieno.domain.batches import Append
from ripieno.store.sqlite.rows import micros
from ripieno.store.sqlite.transaction import Transaction

# One that is there stays: the next leg reuses what the leg before reserved.
RESERVE = """
INSERT INTO reservations (
  run_id, key, scope, period, tenant, since, chunk_id, state, usd, tokens, seconds, effects, at
) VALUES (?, ?, ?, ?, ?, ?, ?, 'open', ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""

SETTLE = """
UPDATE reservations SET state = 'settled', usd = ?, tokens = ?, seconds = ?, effects = ?, at = ?
WHERE run_id = ? AND key = ? AND state = 'open'
"""

# Nobody knows what these acts used, so all of it counts.
SETTLE_REST = "UPDATE reservations SET state = 'settled' WHERE run_id = ? AND state = 'open'"


def book(tx: Transaction, tenant: str, batch: Append) -> None:
    """Write what the batch reserves and settles."""
    for one in batch.reserves:
        place = (batch.run_id, one.key, one.scope, one.window, tenant, micros(one.since), one.chunk_id)
        amount = one.amount
        tx.run(RESERVE, (*place, amount.usd, amount.tokens, amount.seconds, amount.effects, tx.micros))
    for settled in batch.settles:
        amount = settled.amount
        used = (amount.usd, amount.tokens, amount.seconds, amount.effects)
        tx.run(SETTLE, (*used, tx.micros, batch.run_id, settled.key))

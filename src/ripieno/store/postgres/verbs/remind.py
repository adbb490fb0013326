"""Remind: what hints should have told the legs of this process, for those that were lost on their way."""

from collections.abc import Sequence

from ripieno.store.postgres.connections import Row
from ripieno.store.postgres.database import Transaction
from ripieno.store.postgres.legs import Leg

# By the keys of this process's legs. Another epoch: somebody took the run. The rest is for the leg to look at.
CHANGED = """
SELECT leg.id, leg.epoch, runs.epoch <> leg.epoch AS taken, runs.inbox_seq
FROM unnest($1::text[], $2::int[], $3::int[]) AS leg (id, epoch, heard) JOIN runs ON runs.id = leg.id
WHERE runs.epoch <> leg.epoch OR runs.inbox_seq <> leg.heard OR runs.hold OR runs.cancel_at IS NOT NULL
"""


async def changed(tx: Transaction, legs: Sequence[Leg]) -> list[Row]:
    """The legs among these whose run was taken, has mail of which they were not told, is held or is being cancelled."""
    ids, epochs = [leg.run_id for leg in legs], [leg.epoch for leg in legs]
    return await tx.all(CHANGED, ids, epochs, [leg.heard for leg in legs])

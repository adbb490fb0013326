"""Who works, on PostgreSQL: each worker's row, which its process keeps alive, says also how much it has to do."""

from collections.abc import Sequence

from ripieno.domain.workers import WorkerLoad
from ripieno.store.postgres.database import Database, Transaction
from ripieno.store.postgres.lease import Lease

REPORT = "UPDATE workers SET slots = $2, busy = $3, draining = $4 WHERE id = $1 AND NOT dead RETURNING id"

# Those that never reported take no runs: they keep the others in order.
ALIVE = "SELECT id, slots, busy, draining FROM workers WHERE NOT dead AND slots > 0 ORDER BY id"


class PostgresWorkers:
    """`ports.Workers` over the rows of `workers`. A process has one, under the name of its lease."""

    def __init__(self, database: Database, standing: Lease) -> None:
        self._database = database
        self._lease = standing

    async def report(self, load: WorkerLoad) -> None:
        name = self._lease.worker_id
        if name is not None:
            await self._database.do(_report, name, load)

    async def alive(self) -> Sequence[WorkerLoad]:
        rows = await self._database.fetch(ALIVE)
        return [WorkerLoad(row["id"], row["slots"], row["busy"], row["draining"]) for row in rows]


async def _report(tx: Transaction, name: str, load: WorkerLoad) -> None:
    await tx.all(REPORT, name, load.slots, load.busy, load.draining)

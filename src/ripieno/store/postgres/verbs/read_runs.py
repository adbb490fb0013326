"""Read runs: the rows of those that many wait for, in one statement."""

from collections.abc import Sequence

from ripieno.store.postgres.connections import Row
from ripieno.store.postgres.database import Transaction
from ripieno.store.postgres.rows import RUN_OF_RUNS

# The tenant is part of what is asked for, one by one.
RUNS = f"""
SELECT {RUN_OF_RUNS} FROM unnest($1::text[], $2::text[]) AS asked (tenant, id)
JOIN runs ON runs.id = asked.id AND runs.tenant = asked.tenant
"""  # noqa: S608 - constants

Key = tuple[str, str]
"""Tenant and id of a run."""


async def read_runs(tx: Transaction, keys: Sequence[Key]) -> list[Row | None]:
    """The rows in the order of the keys, None for each run that its tenant does not have."""
    tenants, ids = zip(*dict.fromkeys(keys), strict=True)
    found = {(row["tenant"], row["id"]): row for row in await tx.all(RUNS, tenants, ids)}
    return [found.get(key) for key in keys]

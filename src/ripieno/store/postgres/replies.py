"""First answers of write requests, on PostgreSQL."""

from ripieno.domain.replies import StoredReply
from ripieno.store.bodies import dump
from ripieno.store.postgres.database import Database, Transaction
from ripieno.store.postgres.rows import reply_of

# Of several at once one inserts; the others wait for its commit and change nothing. A key that is too old is new.
RESERVE = """
WITH stamp AS MATERIALIZED (SELECT coalesce($1::timestamptz, clock_timestamp()) AS now)
INSERT INTO replies AS kept (scope, key, body_hash, resource_id, status, headers, body, at)
SELECT $2, $3, $4, $5, 0, '{}', '', now FROM stamp
ON CONFLICT (scope, key) DO UPDATE SET body_hash = excluded.body_hash, resource_id = excluded.resource_id, status = 0,
  headers = '{}', body = '', at = excluded.at
WHERE kept.at <= excluded.at - interval '24 hours'
RETURNING key
"""

ONE = "SELECT body_hash, resource_id, status, headers, body FROM replies WHERE scope = $1 AND key = $2"

COMPLETE = """
UPDATE replies SET body_hash = $3, resource_id = $4, status = $5, headers = $6, body = $7 WHERE scope = $1 AND key = $2
"""

FORGET = "DELETE FROM replies WHERE scope = $1 AND key = $2"


class PostgresReplies:
    """`server.replies.Replies` in the journal's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, scope: str, key: str, body_hash: str, resource_id: str) -> StoredReply | None:
        return await self._database.do(_begin, scope, key, body_hash, resource_id)

    async def complete(self, scope: str, key: str, reply: StoredReply) -> None:
        parameters = reply.body_hash, reply.resource_id, reply.status, dump(reply.headers), reply.body
        await self._database.fetch(COMPLETE, scope, key, *parameters)

    async def forget(self, scope: str, key: str) -> None:
        await self._database.fetch(FORGET, scope, key)


async def _begin(tx: Transaction, scope: str, key: str, body_hash: str, resource_id: str) -> StoredReply | None:
    while await tx.one(RESERVE, tx.now, scope, key, body_hash, resource_id) is None:
        row = await tx.one(ONE, scope, key)
        if row is not None:
            return reply_of(row)
    return None

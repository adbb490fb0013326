"""First answers of write requests, on SQLite."""

from datetime import timedelta

from ripieno.domain.replies import StoredReply
from ripieno.store.bodies import dump
from ripieno.store.sqlite.rows import micros, reply_of
from ripieno.store.sqlite.transaction import Transaction
from ripieno.store.sqlite.writer import Writer

KEPT = timedelta(hours=24)

FORGET_OLD = "DELETE FROM replies WHERE at <= ?"

ONE = "SELECT body_hash, resource_id, status, headers, body FROM replies WHERE scope = ? AND key = ?"

RESERVE = """
INSERT INTO replies (scope, key, body_hash, resource_id, status, headers, body, at) VALUES (?, ?, ?, ?, 0, '{}', '', ?)
"""

COMPLETE = """
UPDATE replies SET body_hash = ?, resource_id = ?, status = ?, headers = ?, body = ? WHERE scope = ? AND key = ?
"""

FORGET = "DELETE FROM replies WHERE scope = ? AND key = ?"


class SqliteReplies:
    """`server.replies.Replies` in the journal's file."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def begin(self, scope: str, key: str, body_hash: str, resource_id: str) -> StoredReply | None:
        return await self._writer.submit(_begin, scope, key, body_hash, resource_id)

    async def complete(self, scope: str, key: str, reply: StoredReply) -> None:
        await self._writer.submit(_complete, scope, key, reply)

    async def forget(self, scope: str, key: str) -> None:
        await self._writer.submit(_forget, scope, key)


def _begin(tx: Transaction, scope: str, key: str, body_hash: str, resource_id: str) -> StoredReply | None:
    tx.run(FORGET_OLD, (micros(tx.now - KEPT),))
    row = tx.one(ONE, (scope, key))
    if row is not None:
        return reply_of(row)
    tx.run(RESERVE, (scope, key, body_hash, resource_id, tx.micros))
    return None


def _complete(tx: Transaction, scope: str, key: str, reply: StoredReply) -> None:
    tx.run(COMPLETE, (reply.body_hash, reply.resource_id, reply.status, dump(reply.headers), reply.body, scope, key))


def _forget(tx: Transaction, scope: str, key: str) -> None:
    tx.run(FORGET, (scope, key))

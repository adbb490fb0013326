"""What a verb is given: the connection inside a transaction, the time, and where to leave hints."""

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeAlias

from ripieno.domain.hints import Hint, HintKind
from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.outbox import AUDIT, audit_body
from ripieno.store.sqlite.rows import micros

Parameters: TypeAlias = Sequence[Any] | dict[str, Any]

# Rows that the public may follow: runs created and ended, interrupts opened and decided.
TELL = "INSERT INTO outbox (tenant, type, run_id, body, at) VALUES (?, ?, ?, ?, ?)"

# The single writer is the sequencer: ids are committed in order, so the position is the id.
NUMBER = "UPDATE outbox SET pos = id WHERE pos IS NULL"


class Transaction:
    """One batch of operations under way. `micros` is `now` as the tables keep it."""

    __slots__ = ("connection", "hints", "micros", "now", "told")

    def __init__(self, connection: sqlite3.Connection, now: datetime) -> None:
        self.connection = connection
        self.now = now
        self.micros = micros(now)
        self.hints: list[Hint] = []
        self.told = False

    def one(self, sql: str, parameters: Parameters = ()) -> sqlite3.Row | None:
        """The first row, or None."""
        rows = self.connection.execute(sql, parameters).fetchall()  # all: an open cursor would stay in the commit's way
        return rows[0] if rows else None

    def all(self, sql: str, parameters: Parameters = ()) -> list[sqlite3.Row]:
        """Every row."""
        return self.connection.execute(sql, parameters).fetchall()

    def run(self, sql: str, parameters: Parameters = ()) -> int:
        """Execute; answers how many rows were changed."""
        return self.connection.execute(sql, parameters).rowcount

    def hint(self, run_id: str, *kinds: HintKind) -> None:
        """Leave hints, to be published after the commit."""
        self.hints.extend(Hint(kind, run_id) for kind in kinds)

    def tell(self, tenant: str, kind: str, run_id: str, body: JsonObject) -> None:
        """Write a row of the outbox."""
        self.told = True
        self.connection.execute(TELL, (tenant, kind, run_id, json.dumps(body), self.micros))

    def audit(self, who: tuple[str, str], action: str, run_id: str, detail: Json = None) -> None:
        """Write down that somebody, by tenant and name, did something to a run."""
        tenant, actor = who
        self.tell(tenant, AUDIT, run_id, audit_body(action, actor, run_id, self.now, detail))

    def number(self) -> None:
        """Give the outbox's new rows their positions; the last thing before the commit."""
        if self.told:
            self.connection.execute(NUMBER)

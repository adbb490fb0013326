"""The limit that the engine is measured against on SQLite: one row a step through the same writer, and nothing else.

As many tasks as there are runs each insert a row, wait for its commit, and insert the next.
"""

import asyncio
import sqlite3
from pathlib import Path

from bench.programs import Job, Measured, Stopwatch, closed_loop, serve
from ripieno.clock import SystemClock
from ripieno.store.dispatch_local import LocalDispatch
from ripieno.store.sqlite import connection
from ripieno.store.sqlite.transaction import Transaction
from ripieno.store.sqlite.writer import Writer

CREATE = "CREATE TABLE steps (run INTEGER, seq INTEGER, body TEXT, PRIMARY KEY (run, seq)) WITHOUT ROWID"
INSERT = "INSERT INTO steps VALUES (?, ?, ?)"
BODY = '{"result":"' + "x" * 200 + '"}'


async def perform(job: Job) -> Measured:
    path = Path(job.folder) / "bare.db"
    path.parent.mkdir(parents=True)
    opened = connection.for_writing(path)
    opened.execute(CREATE)
    writer = Writer(opened, SystemClock(), LocalDispatch(), asyncio.get_running_loop().call_soon_threadsafe)

    async def run(number: int) -> None:
        watch.committed(str(number))
        for seq in range(job.steps):
            await writer.submit(insert, number, seq)
            watch.committed(str(number))

    watch = Stopwatch()
    await closed_loop(job.concurrency, job.runs, run)
    measured = watch.stop(steps=job.all_steps, commits=job.all_steps)
    await asyncio.to_thread(writer.close)
    with sqlite3.connect(path) as checking:
        (steps,) = checking.execute("SELECT count(*) FROM steps").fetchone()
    return Measured(steps, steps, measured.seconds, measured.cpu_seconds, measured.gaps_ms)


def insert(tx: Transaction, number: int, seq: int) -> None:
    tx.run(INSERT, (number, seq, BODY))


if __name__ == "__main__":
    serve(perform)

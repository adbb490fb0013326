"""The limit that the engine is measured against on PostgreSQL: one fenced row for each step, and nothing else.

As many tasks as there are runs each insert a row, wait for its commit, and insert the next. One connection commits what
came together in one statement, in which a run's row lets the insert pass only under its epoch and its last number.
"""

import asyncio

import asyncpg

from bench.programs import Job, Measured, Stopwatch, closed_loop, serve

CREATE = """
CREATE TABLE runs (id bigint PRIMARY KEY, epoch int NOT NULL, last_seq int NOT NULL) WITH (fillfactor = 70);
CREATE TABLE steps (run bigint, seq int, body text NOT NULL, PRIMARY KEY (run, seq));
"""
BEGIN = "INSERT INTO runs SELECT id, 1, 0 FROM generate_series(0, $1::bigint - 1) AS id"
INSERT = """
WITH kept AS (
  UPDATE runs SET last_seq = given.seq FROM unnest($1::bigint[], $2::int[], $3::text[]) AS given (id, seq, body)
  WHERE runs.id = given.id AND runs.epoch = 1 AND runs.last_seq = given.seq - 1
  RETURNING runs.id, given.seq, given.body
)
INSERT INTO steps SELECT id, seq, body FROM kept RETURNING run
"""
BODY = '{"result":"' + "x" * 200 + '"}'
MOST_ROWS = 500


class Committer:
    """Commits what was submitted during the commit before."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection = connection
        self._queue: list[tuple[int, int, asyncio.Future[None]]] = []
        self._news = asyncio.Event()

    async def submit(self, run: int, seq: int) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((run, seq, done))
        self._news.set()
        await done

    async def commit(self) -> None:
        while True:
            await self._news.wait()
            batch, self._queue = self._queue[:MOST_ROWS], self._queue[MOST_ROWS:]
            if not self._queue:
                self._news.clear()
            runs, numbers, waiting = zip(*batch, strict=True)
            kept = {row["run"] for row in await self._connection.fetch(INSERT, runs, numbers, [BODY] * len(batch))}
            for run, done in zip(runs, waiting, strict=True):
                assert run in kept
                done.set_result(None)


async def perform(job: Job) -> Measured:
    connection = await asyncpg.connect(job.database, server_settings={"plan_cache_mode": "force_generic_plan"})
    await connection.execute(CREATE)
    await connection.execute(BEGIN, job.runs)
    committer = Committer(connection)
    committing = asyncio.get_running_loop().create_task(committer.commit())

    async def run(number: int) -> None:
        watch.committed(str(number))
        for seq in range(1, job.steps + 1):
            await committer.submit(number, seq)
            watch.committed(str(number))

    watch = Stopwatch(job.steps)
    await closed_loop(job.concurrency, job.runs, run)
    measured = watch.stop(steps=job.all_steps, commits=job.all_steps)
    committing.cancel()
    steps = await connection.fetchval("SELECT count(*) FROM steps")
    await connection.close()
    return Measured(steps, steps, measured.seconds, measured.cpu_seconds, measured.gaps_ms)


if __name__ == "__main__":
    serve(perform)

"""One database, an API node and two workers, each a process of its own; a worker is killed in the middle."""

import contextlib
import json
import signal
import subprocess
import urllib.request
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.command_line import PROGRAM, SECONDS, environment, ripieno, serving
from tests.servers import postgres

RUNS = 8


@contextlib.contextmanager
def working(folder: Path, database: str) -> Generator[subprocess.Popen[str]]:
    """A `ripieno worker`, ended with SIGTERM."""
    with subprocess.Popen(
        [*PROGRAM, "worker"],
        cwd=folder,
        env=environment({"RIPIENO_DATABASE_URL": database, "RIPIENO_WORKER__SLOTS": "2"}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            first = process.stdout.readline()
            assert " works on the runs of " in first, process.communicate()
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=SECONDS)


def call(url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Ask the API."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})  # noqa: S310 - loopback
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
        return json.loads(answer.read())


@pytest.mark.acceptance
def test_a_killed_workers_runs_are_finished_by_the_other(tmp_path: Path):
    database = postgres.shared().create("cluster")
    before = ripieno(tmp_path, "serve", "--port", "0", "--database-url", database)
    assert before.err.startswith("error[invalid]: the database has no tables of Ripieno yet: run `ripieno db upgrade`")
    assert ripieno(tmp_path, "db", "upgrade", "--database-url", database).code == 0
    api = serving(tmp_path, "--role", "api", env={"RIPIENO_DATABASE_URL": database})
    with api as server, working(tmp_path, database) as first, working(tmp_path, database):
        goal = {"goal": "How busy is the cpu? What is 6*7?"}
        runs = [call(f"{server.url}/v1/runs", goal)["id"] for _ in range(RUNS)]
        call(f"{server.url}/v1/runs/{runs[0]}?wait=0.2")
        first.kill()
        ended = [call(f"{server.url}/v1/runs/{run}?wait=50") for run in runs]
        actions = [call(f"{server.url}/v1/runs/{run}/actions")["data"] for run in runs]
    assert {run["status"] for run in ended} == {"completed"}
    assert all("42" in run["answer"] for run in ended)
    assert {len(calls) for calls in actions} == {2}

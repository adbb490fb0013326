"""A server whose PostgreSQL is away when it starts."""

import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.acceptance.command_line import PROGRAM, SECONDS, environment


def answer(url: str) -> tuple[int, str]:
    """Status and body; waits until somebody listens."""
    ends = time.monotonic() + SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=SECONDS) as found:  # noqa: S310 - loopback
                return found.status, found.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            assert time.monotonic() < ends, f"{url} does not answer"
            time.sleep(0.05)


def unused() -> int:
    """A port where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.mark.acceptance
def test_it_answers_that_it_is_not_ready_and_ends_when_told(tmp_path: Path):
    port = unused()
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen(
        [*PROGRAM, "serve", "--port", str(port)],
        cwd=tmp_path,
        env=environment({"RIPIENO_DATABASE_URL": f"postgresql://somebody:topsecret@127.0.0.1:{unused()}/ripieno"}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            status, body = answer(f"{url}/health/ready")
            assert (status, '"status":"unhealthy"' in body) == (503, True)
            assert answer(f"{url}/api/v1/health/live")[0] == 200
            status, body = answer(f"{url}/v1/runs")
            assert (status, '"code":"store_busy"' in body) == (503, True)
        finally:
            server.terminate()
            out, err = server.communicate(timeout=SECONDS)
    assert (server.returncode, out) == (0, "")
    assert "PostgreSQL does not answer; trying again" in err
    assert "topsecret" not in err

"""The README's tour is carried out, block by block, in one shell against a real server."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ADDRESS = "http://127.0.0.1:8000"
MARK = "@@ end of block"


def blocks() -> list[str]:
    """The shell blocks of the tour, in order."""
    return re.findall(r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a server on a fresh data folder, without any provider."""
    foreign = ("RIPIENO_", "OPENAI_", "ANTHROPIC_", "OLLAMA_", "AWS_", "BEDROCK_")
    environ = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
    command = [Path(sys.executable).with_name("ripieno"), "serve", "--port", "0", "--data", tmp_path / "data"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout
        try:
            said = ""
            for line in process.stdout:
                said += line
                if address := re.search(r"http://127\.0\.0\.1:\d+", line):
                    yield address[0]
                    break
            else:
                pytest.fail(f"the server did not start:\n{said}")
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate()


def carried_out(script: str, folder: Path) -> list[str]:
    """What each block printed; a block that fails, or uses what no block has set, fails the test."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout.split(MARK)


@pytest.mark.acceptance
@pytest.mark.needs("curl")
def test_the_tour_works_as_written(server: str, tmp_path: Path):
    steps = blocks()
    assert ADDRESS in steps[0]
    script = f"\necho '{MARK}'\n".join(steps).replace(ADDRESS, server)
    health, goal, watched, approved, looked, team = carried_out(script, tmp_path)
    assert '"healthy"' in health
    assert "237.5" in goal
    assert "event: tool.returned" in watched
    assert "event: end" in watched
    assert "awaiting_approval" in approved
    assert "completed" in looked
    assert "files.write" in looked
    assert re.search(r"\[\S+/t\d+c\d+]", team), "the team's answer cites evidence"

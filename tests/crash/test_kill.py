"""SIGKILL anywhere, then start again: nothing completed is repeated, nothing lost, irreversible calls happen once."""

import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

VICTIM = Path(__file__).with_name("victim.py")
APPENDS_OF_ONE_RUN = 20
"""One start, four replies, and for each of three turns three outcomes and two intents."""

pytestmark = pytest.mark.crash


class Attack:
    """One folder and one witness through many lives of a victim."""

    def __init__(self, folder: Path, runs: int) -> None:
        self.folder = folder
        self.runs = runs
        self.witness = folder / "witness"
        self.witness.touch()

    def live(self, *fault_point: str, killed_after: float | None = None) -> int:
        """One life; answers the exit code. It must not repeat what was completed before it.

        `killed_after` is in seconds from the first sign of work.
        """
        completed, told_before = self.completed(), len(self.lines())
        program = [sys.executable, str(VICTIM), str(self.folder / "data"), str(self.witness), str(self.runs)]
        with subprocess.Popen([*program, *fault_point], stderr=subprocess.PIPE) as victim:
            if killed_after is not None:
                while victim.poll() is None and len(self.lines()) == told_before:
                    time.sleep(0.005)
                time.sleep(killed_after)
                victim.kill()
            _, errors = victim.communicate(timeout=60)
        assert victim.returncode in {0, -signal.SIGKILL}, errors.decode()
        repeated = completed & set(self.lines()[told_before:])
        assert not repeated, f"done again although its outcome was committed: {repeated}"
        return victim.returncode

    def lines(self) -> list[str]:
        return self.witness.read_text().splitlines()

    def completed(self) -> set[str]:
        """Every call whose outcome is committed, in the witness's words."""
        if not (self.folder / "data" / "ripieno.db").exists():
            return set()
        database = sqlite3.connect(self.folder / "data" / "ripieno.db")
        try:
            tools = database.execute(
                "SELECT 'tool ' || run_id || ' ' || key || ' ' || json_extract(body, '$.call.name') FROM entries"
                " WHERE type = 'tool.returned'"
            )
            models = database.execute(
                "SELECT 'model ' || json_extract(r.input, '$.goal') || ' ' || substr(e.key, 9, 1) FROM entries e"
                " JOIN runs r ON r.id = e.run_id WHERE e.type = 'model.replied'"
            )
            return {row[0] for row in tools} | {row[0] for row in models}
        finally:
            database.close()

    def check(self) -> None:
        """After the last life: every run has ended well, every call has happened, the irreversible ones once."""
        database = sqlite3.connect(self.folder / "data" / "ripieno.db")
        ended = database.execute("SELECT status, count(*) FROM runs GROUP BY status").fetchall()
        gaps = database.execute(
            "SELECT r.id FROM runs r JOIN entries e ON e.run_id = r.id GROUP BY r.id"
            " HAVING count(*) <> max(e.seq) OR max(e.seq) <> r.last_seq"
        ).fetchall()
        database.close()
        assert ended == [("completed", self.runs)]
        assert gaps == []
        told = Counter(self.lines())
        assert {line for line in told if line.startswith("tool")} == {
            line for line in self.completed() if line.startswith("tool")
        }
        paid = {line: count for line, count in told.items() if line.endswith("shop.pay")}
        assert len(paid) == self.runs * 3
        assert set(paid.values()) == {1}


@pytest.mark.parametrize("when", ["KILL_BEFORE", "KILL_AFTER"])
@pytest.mark.parametrize("boundary", range(1, APPENDS_OF_ONE_RUN, 4))
def test_killed_at_a_journal_boundary(tmp_path: Path, when: str, boundary: int):
    attack = Attack(tmp_path, runs=1)
    attack.live(when, str(boundary))
    assert attack.live() == 0
    attack.check()


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_random_many_times(tmp_path: Path, seed: int):
    dice = random.Random(seed)  # noqa: S311 - a dice, not a secret
    attack = Attack(tmp_path, runs=40)
    lives = [attack.live(killed_after=dice.uniform(0.0, 0.1)) for _ in range(6)]
    assert -signal.SIGKILL in lives
    assert attack.live() == 0
    attack.check()

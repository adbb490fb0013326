"""Programs of the system: what is missing is said, and is an error under CI alone."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def run(tmp_path: Path, listed: str, ci: str) -> subprocess.CompletedProcess[str]:
    """Run the script on a list of its own, on a path where there is no apt-get."""
    script = tmp_path / "debian.py"
    script.write_text((ROOT / "scripts" / "debian.py").read_text())
    (tmp_path / "debian-packages.txt").write_text(listed)
    environ = {"PATH": str(tmp_path), "CI": ci}
    return subprocess.run([sys.executable, script], env=environ, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("ci", "code"), [("true", 1), ("", 0)])
def test_what_is_missing_is_said_and_fails_under_ci(tmp_path: Path, ci: str, code: int):
    done = run(tmp_path, "# a comment\n\nhorn  flugelhorn  the sound of the flugelhorn\n", ci)
    assert "flugelhorn (Debian: horn)" in done.stdout
    assert "the sound of the flugelhorn" in done.stdout
    assert done.returncode == code


def test_nothing_is_said_when_nothing_is_missing(tmp_path: Path):
    (tmp_path / "flugelhorn").touch(0o755)
    done = run(tmp_path, "horn  flugelhorn  the sound of the flugelhorn\n", "true")
    assert (done.stdout, done.returncode) == ("", 0)

"""Installs what is locked into `.venv`; called by `scripts/bootstrap`, which explains it."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from mirrors import uv_settings

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
BUILD, RUN, DEV, ITSELF = (
    ROOT / name for name in ("requirements-build.lock", "requirements.lock", "requirements-dev.lock", "pyproject.toml")
)
TIERS = {"run": (BUILD, RUN, ITSELF), "dev": (BUILD, RUN, ITSELF, DEV)}
"""What is installed for whom, in order. Each part is one file, and is installed again when the file changes."""


def main() -> int:
    """Make `.venv` ready for the tier named on the command line."""
    parts = TIERS.get(sys.argv[-1])
    if parts is None:
        print(f"usage: scripts/bootstrap {'|'.join(TIERS)}", file=sys.stderr)
        return 2
    with Path(__file__).open() as lock:  # two recipes started at once must not write to the same .venv
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = [part for part in parts if not (stamp(part).exists() and PYTHON.exists())]
        try:
            if missing and not works():
                create()
                missing = list(parts)
            for part in missing:
                install(part)
        except subprocess.CalledProcessError as failure:
            command = " ".join(Path(word).name if word.startswith("/") else word for word in failure.cmd)
            print(f"Could not make .venv ready: `{command}` failed; its own words are above.", file=sys.stderr)
            return 1
    return 0


def stamp(part: Path) -> Path:
    """Name the file that says: done. The folder is part of it because a virtual environment cannot be moved."""
    content = part.read_bytes() + Path(__file__).read_bytes() + os.fsencode(ROOT)
    return VENV / "ripieno-installed" / part.name / hashlib.sha256(content).hexdigest()


def create() -> None:
    """Make an empty `.venv`, in the place of one that does not work."""
    if VENV.exists():
        say("Replacing .venv: it was made by an older Python or for another folder.")
        shutil.rmtree(VENV)
    say(f"Creating .venv with Python {'.'.join(map(str, sys.version_info[:3]))}.")
    run([sys.executable, "-m", "venv", VENV])


def install(part: Path) -> None:
    """Install one part and stamp it."""
    if part == ITSELF:
        say("Installing Ripieno itself, editable, from this folder.")
        uv("--no-deps", "--no-build-isolation", "-e", ROOT)
    else:
        say(f"Installing {count(part)} packages from {part.name}: {purpose(part)}.")
        (pip if part == BUILD else uv)("--require-hashes", "-r", part)
    ready = stamp(part)
    shutil.rmtree(ready.parent, ignore_errors=True)
    ready.parent.mkdir(parents=True)
    ready.touch()


def works() -> bool:
    """Whether `.venv` holds a Python that is new enough and knows itself under this path."""
    probe = "import sys, pip; print(sys.version_info >= (3, 11), sys.prefix)"
    try:
        answer = subprocess.run([PYTHON, "-c", probe], capture_output=True, check=True, text=True).stdout.strip()
        script = (VENV / "bin" / "pip").read_text()
    except (OSError, subprocess.CalledProcessError):
        return False
    return answer == f"True {VENV}" and str(VENV) in script


def pip(*arguments: str | Path) -> None:
    """Install with pip, which every virtual environment has: the way to uv."""
    run([PYTHON, "-m", "pip", "--disable-pip-version-check", "-qq", "install", *arguments])


def uv(*arguments: str | Path) -> None:
    """Install with uv, many times faster, from the mirrors that pip is set up for."""
    program = [VENV / "bin" / "uv", "--quiet", "--no-progress"]
    run([*program, "pip", "install", "--python", PYTHON, *arguments], uv_settings(PYTHON))


def run(command: list[str | Path], settings: Mapping[str, str] | None = None) -> None:
    """Run a command in the checkout, with some settings beside the environment's own."""
    subprocess.run([str(part) for part in command], cwd=ROOT, check=True, env={**os.environ, **(settings or {})})


def count(lock: Path) -> int:
    """How many packages a lock names (some of them for other systems or Pythons alone)."""
    return len(re.findall(r"^[A-Za-z0-9]", lock.read_text(), re.MULTILINE))


def purpose(lock: Path) -> str:
    """What a lock is for, in the words of its first line."""
    return lock.read_text().splitlines()[0].removeprefix("# ").rstrip(".")


def say(sentence: str) -> None:
    """Tell the person in front of the terminal."""
    print(sentence, flush=True)


if __name__ == "__main__":
    sys.exit(main())

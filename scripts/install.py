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
BUILD = ROOT / "requirements-build.lock"
LOCKS = {
    "run": (ROOT / "requirements.lock",),
    "dev": (ROOT / "requirements.lock", ROOT / "requirements-dev.lock"),
}


def main() -> int:
    """Make `.venv` ready for the tier named on the command line."""
    tier = sys.argv[-1]
    if tier not in LOCKS:
        print(f"usage: scripts/bootstrap {'|'.join(LOCKS)}", file=sys.stderr)
        return 2
    with Path(__file__).open() as lock:  # two recipes started at once must not write to the same .venv
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_ready(tier):
            return 0
        try:
            install(tier)
        except subprocess.CalledProcessError as failure:
            command = " ".join(Path(part).name if part.startswith("/") else part for part in failure.cmd)
            print(f"Could not make .venv ready: `{command}` failed; its own words are above.", file=sys.stderr)
            return 1
    return 0


def is_ready(tier: str) -> bool:
    """Whether this tier, or one that holds it, was installed from the locks as they stand."""
    wider = [name for name, locks in LOCKS.items() if set(LOCKS[tier]) <= set(locks)]
    return (VENV / "bin" / "python").exists() and any(stamp(name).exists() for name in wider)


def stamp(tier: str) -> Path:
    """Name the file that says: done. The folder is part of it because a virtual environment cannot be moved."""
    parts = [path.read_bytes() for path in (*LOCKS[tier], BUILD, ROOT / "pyproject.toml", Path(__file__))]
    return VENV / f"ripieno-{tier}-{hashlib.sha256(b''.join([*parts, os.fsencode(ROOT)])).hexdigest()[:16]}"


def install(tier: str) -> None:
    """Create the environment where needed, then install the locks and Ripieno itself."""
    ready = stamp(tier)
    locks = LOCKS[tier]
    create()
    for lock in locks:
        say(f"Installing {count(lock)} packages from {lock.name}: {purpose(lock)}.")
        uv("pip", "install", "--require-hashes", "-r", lock)
    say("Installing Ripieno itself, editable, from this folder.")
    uv("pip", "install", "--no-deps", "--no-build-isolation", "-e", ROOT)
    for old in VENV.glob(f"ripieno-{tier}-*"):
        old.unlink()
    ready.touch()


def create() -> None:
    """Make `.venv` with pip, uv and the build tools, or keep the one that is there and works."""
    if not works():
        if VENV.exists():
            say("Replacing .venv, which was made by another Python or for another folder.")
            shutil.rmtree(VENV)
        say(f"Creating .venv with Python {'.'.join(map(str, sys.version_info[:3]))}.")
        run([sys.executable, "-m", "venv", VENV])
    say(f"Installing {count(BUILD)} packages from {BUILD.name}: {purpose(BUILD)}.")
    pip = [VENV / "bin" / "python", "-m", "pip", "--disable-pip-version-check"]
    run([*pip, "install", "--quiet", "--require-hashes", "-r", BUILD])


def works() -> bool:
    """Whether `.venv` holds a Python that is new enough and knows itself under this path."""
    probe = "import sys, pip; print(sys.version_info >= (3, 11), sys.prefix)"
    try:
        answer = subprocess.run(
            [VENV / "bin" / "python", "-c", probe], capture_output=True, check=True, text=True
        ).stdout.strip()
        script = (VENV / "bin" / "pip").read_text()
    except (OSError, subprocess.CalledProcessError):
        return False
    return answer == f"True {VENV}" and str(VENV) in script


def uv(*arguments: str | Path) -> None:
    """Run uv on `.venv` with the mirrors that pip is set up for."""
    settings = uv_settings(VENV / "bin" / "python")
    program = [VENV / "bin" / "uv", "--quiet", "--no-progress", *arguments]
    run([*program, "--python", VENV / "bin" / "python"], settings)


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

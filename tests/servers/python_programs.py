"""Programs from PyPI that tests run: a pinned package in an environment of its own, because its pins are not ours.

Environments stand in `build/uv`, which git ignores; the first test that asks for one makes it.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

KEPT = Path(__file__).parents[2] / "build" / "uv"
SECONDS = 100


def python_program(package: str, version: str) -> str:
    """The path of the program that a package is named for. Without a registry the test is skipped; not under CI."""
    folder = KEPT / f"{package}-{version}"
    program = folder / "bin" / package
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            _install(f"{package}=={version}", folder)
    return str(program)


def _install(wanted: str, folder: Path) -> None:
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    shutil.rmtree(folder, ignore_errors=True)
    made = [uv, "venv", "-q", "--python", sys.executable, str(folder)]
    filled = [uv, "pip", "install", "-q", "--python", str(folder / "bin" / "python"), wanted]
    for command in (made, filled):
        done = subprocess.run(["timeout", str(SECONDS), *command], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            shutil.rmtree(folder, ignore_errors=True)
            reason = f"uv cannot install {wanted}: {done.stderr[-500:]}"
            if os.environ.get("CI") == "true":
                pytest.fail(reason)
            pytest.skip(reason)

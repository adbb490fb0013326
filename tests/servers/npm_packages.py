"""Programs from npm that tests run: a pinned package is installed by the first test that asks for it, and stays.

    @pytest.mark.needs("npm")
    def test_it():
        process = await asyncio.create_subprocess_exec(npm_program("@copilotkit/aimock", "1.43.0", "llmock"), "-p", "0")

Packages stand in `build/npm`, which git ignores; what they install runs no scripts of theirs.
"""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

KEPT = Path(__file__).parents[2] / "build" / "npm"
SECONDS = 100


def npm_program(package: str, version: str, program: str) -> str:
    """The path of a package's program."""
    return str(npm_package(package, version) / "node_modules" / ".bin" / program)


def npm_package(package: str, version: str) -> Path:
    """The folder whose `node_modules` has the package and what it depends on.

    One installation at a time, in all processes. Without a registry the test is skipped; under CI it fails.
    """
    folder = KEPT / f"{package.replace('/', '+')}-{version}"
    if folder.exists():
        return folder
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _install(f"{package}@{version}", folder)
    return folder


def _install(wanted: str, folder: Path) -> None:
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    # With a package file in it, npm looks for none in the folders above.
    (unfinished / "package.json").write_text('{"private": true}')
    words = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock", "--loglevel=error"]
    command = ["timeout", str(SECONDS), *words, wanted]
    done = subprocess.run(command, cwd=unfinished, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = f"npm cannot install {wanted} ({done.returncode}): {done.stderr[-500:]}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    unfinished.rename(folder)

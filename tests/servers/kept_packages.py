"""Foreign packages that tests run: the first test that asks for one installs it, into a folder that git ignores."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

BUILD = Path(__file__).parents[2] / "build"
SECONDS = 100


def kept(kind: str, wanted: str, commands: Sequence[Sequence[str]]) -> Path:
    """The folder in which a package stands; each command that makes it runs there, with `{folder}` for its path.

    One installation at a time, in all processes. Where it fails, the test is skipped; under CI it fails.
    """
    home = BUILD / kind
    folder = home / wanted.replace("/", "+").replace("==", "-")
    if folder.exists():
        return folder
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _install(wanted, folder, commands)
    return folder


def _install(wanted: str, folder: Path, commands: Sequence[Sequence[str]]) -> None:
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    for command in commands:
        words = ["timeout", str(SECONDS), *(word.format(folder=unfinished) for word in command)]
        done = subprocess.run(words, cwd=unfinished, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            reason = f"{wanted} cannot be installed ({done.returncode}): {(done.stderr or done.stdout)[-500:]}"
            if os.environ.get("CI") == "true":
                pytest.fail(reason)
            pytest.skip(reason)
    unfinished.rename(folder)

"""The environment of the programs that Ripieno is compared with: `.venv-bench`, apart from Ripieno's own."""

import hashlib
import os
import shutil
import subprocess
import sys
from importlib import util
from pathlib import Path

from bench.programs import ROOT, BenchFailed

LOCK = Path(__file__).with_name("peers.txt")
VENV = ROOT / ".venv-bench"
PYTHON = VENV / "bin" / "python"


def ready() -> str:
    """Install what `peers.txt` locks, unless that was done before; answers the path of the environment's Python.

    Raises:
        BenchFailed: It cannot be installed.
    """
    stamp = VENV / f"installed-{hashlib.sha256(LOCK.read_bytes() + os.fsencode(ROOT)).hexdigest()[:16]}"
    if stamp.exists() and PYTHON.exists():
        return str(PYTHON)
    print(f"Installing the programs to compare with ({LOCK.name}) into {VENV.name}.", flush=True)
    shutil.rmtree(VENV, ignore_errors=True)
    try:
        subprocess.run([sys.executable, "-m", "venv", VENV], cwd=ROOT, check=True)
        (VENV / ".gitignore").write_text("*\n")
        uv = Path(sys.executable).with_name("uv")
        command = [uv, "pip", "install", "--quiet", "--python", PYTHON, "--require-hashes", "-r", LOCK]
        subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, **_mirrors()})
    except (OSError, subprocess.CalledProcessError) as error:
        raise BenchFailed(f"{VENV.name} could not be made ready: {error}") from None
    stamp.touch()
    return str(PYTHON)


def _mirrors() -> dict[str, str]:
    """The settings that let uv go where pip goes, from the recipes' own module."""
    spec = util.spec_from_file_location("mirrors", ROOT / "scripts" / "mirrors.py")
    if spec is None or spec.loader is None:
        return {}
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.uv_settings(Path(sys.executable))

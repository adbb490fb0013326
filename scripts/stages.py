"""Runs the stages of `make check` and `make test` in order, cheap ones first, and stops at the first that fails."""

import shlex
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WITHOUT_GAPS = "*/ripieno/domain/*,*/ripieno/ports.py,*/ripieno/engine/core/*,*/ripieno/governance/*"

STAGES = {
    "format": "ruff format --check",
    "lint": "ruff check",
    "imports": "lint-imports",
    "shape": "pytest tests/test_shape.py -p no:randomly",
    "types": "basedpyright",
    "reference": "python scripts/reference.py --check",
    "documents": "sphinx-build -n -W -q -E -b html docs docs/_build/html",
    "tests": "pytest -n auto -rs --durations 5 --cov --cov-report=",
    "coverage": "coverage report --fail-under=90",
    "coverage without gaps": f"coverage report --fail-under=100 --include={WITHOUT_GAPS}",
}
"""Each stage by name, as it can be typed after `.venv/bin/`."""

CHECK = ("format", "lint", "imports", "shape", "types")
RECIPES = {
    "check": CHECK,
    "docs": ("documents",),
    "test": (*CHECK, "reference", "documents", "tests", "coverage", "coverage without gaps"),
}


def main() -> int:
    """Run the stages of the recipe named on the command line."""
    names = RECIPES[sys.argv[1]]
    began = time.monotonic()
    for number, name in enumerate(names, 1):
        print(f"\n[{number}/{len(names)}] {name}", flush=True)
        stage_began = time.monotonic()
        code = run(STAGES[name])
        seconds = time.monotonic() - stage_began
        if code:
            print(f"\nFAILED: {name}, after {seconds:.1f} s. Alone: .venv/bin/{STAGES[name]}", flush=True)
            return 1
        print(f"[{number}/{len(names)}] {name}: passed in {seconds:.1f} s", flush=True)
    print(f"\nPASSED: {', '.join(names)}, in {time.monotonic() - began:.0f} s.", flush=True)
    return 0


def run(command: str) -> int:
    """Run a program of the virtual environment in the checkout; 130 when it was interrupted."""
    program, *arguments = shlex.split(command)
    try:
        return subprocess.run([ROOT / ".venv" / "bin" / program, *arguments], cwd=ROOT, check=False).returncode
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())

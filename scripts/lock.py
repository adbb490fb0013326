"""Makes the lock files anew: `make lock` (add `UPGRADE=1` to take newer versions).

All are universal (any system, any Python from 3.11 on), carry hashes, and name no registry. Each builds on the ones
before it, so that a package has one version everywhere.
"""

import os
import subprocess
import sys
from pathlib import Path

from mirrors import uv_settings

ROOT = Path(__file__).resolve().parents[1]
BIN = ROOT / ".venv" / "bin"
LOCKS = {
    "requirements.lock": ("what Ripieno runs on, with every extra", ["--all-extras", "pyproject.toml"]),
    "requirements-dev.lock": ("what tests, checks and documents need", ["--group", "dev", "--group", "docs"]),
    "requirements-build.lock": ("the installer (uv) and the tools that build Ripieno", ["-"]),
}
BUILD = "uv\nhatchling\neditables\n"


def whole_index() -> dict[str, str]:
    """Ask the main index alone: a partial one beside it would leave out the hashes of other systems' wheels."""
    settings = uv_settings(BIN / "python")
    return {name: value for name, value in settings.items() if name not in {"UV_INDEX", "UV_FIND_LINKS"}}


def main() -> int:
    """Compile each lock."""
    upgrade = ["--upgrade"] if os.environ.get("UPGRADE") else []
    before: list[str] = []
    for name, (purpose, sources) in LOCKS.items():
        command = [BIN / "uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"]
        command += ["--generate-hashes", "--no-emit-index-url", "--no-header", *upgrade]
        command += [part for lock in before for part in ("-c", lock)]
        subprocess.run(
            [*command, *sources, "-o", name],
            cwd=ROOT,
            check=True,
            stdout=subprocess.DEVNULL,
            text=True,
            input=BUILD,
            env={**os.environ, **whole_index()},
        )
        path = ROOT / name
        path.write_text(
            f"# {purpose[0].upper()}{purpose[1:]}.\n# Made by `make lock`; do not edit.\n{path.read_text()}"
        )
        before.append(name)
        print(f"{name}: {purpose}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Foreign programs in Python that tests run, each in an environment of its own: their pins may clash with ours.

They stand in `build/python`, which git ignores, and are installed by the first test that asks for one.
"""

import sys

from tests.servers.kept_packages import kept

# Not moved afterwards but for its folder's name, so programs in `bin` do not start: call `python -m`.
MAKE = (sys.executable, "-m", "venv", "{folder}")
PIP = (
    "{folder}/bin/python",
    "-m",
    "pip",
    "install",
    "--quiet",
    "--disable-pip-version-check",
    "--only-binary",
    ":all:",
)


def python_with(*packages: str) -> str:
    """The path of a Python that has these packages, pinned as in `httpbin==0.10.2`; the first one names the folder."""
    return str(kept("python", packages[0], [MAKE, (*PIP, *packages)]) / "bin" / "python")

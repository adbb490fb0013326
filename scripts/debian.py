"""Installs the system's programs that tests use (`debian-packages.txt`), where they are missing and it is allowed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

LIST = Path(__file__).with_name("debian-packages.txt")


class Package(NamedTuple):
    """A Debian package, the program by which one sees that it is there, and what is not tested without it."""

    name: str
    program: str
    purpose: str


def main() -> int:
    """Install what is missing. Under `CI=true` it is an error when something stays missing."""
    missing = [package for package in packages() if not present(package)]
    if not missing:
        return 0
    prefix = privilege()
    if prefix is not None:
        for package in missing:
            print(f"Installing the Debian package {package.name}: {package.purpose}.", flush=True)
        install(prefix, missing)
    left = [package for package in missing if not present(package)]
    for package in left:
        print(f"Not there: {package.program} (Debian: {package.name}). Its tests skip: {package.purpose}.", flush=True)
    return 1 if left and os.environ.get("CI") == "true" else 0


def packages() -> list[Package]:
    """Read the list."""
    lines = (line.partition("#")[0].split(maxsplit=2) for line in LIST.read_text().splitlines())
    return [Package(*fields) for fields in lines if fields]


def present(package: Package) -> bool:
    """Whether the package's program is on the path, administrators' folders included."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    return shutil.which(package.program, path=path) is not None


def privilege() -> list[str] | None:
    """How to call apt-get as root: nothing for root, sudo where it asks for no password, None where neither is."""
    if not shutil.which("apt-get"):
        return None
    if os.geteuid() == 0:
        return []
    allowed = shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False)
    return ["sudo", "-n"] if allowed and allowed.returncode == 0 else None


def install(prefix: list[str], missing: list[Package]) -> None:
    """Call apt-get; its own words appear only when it fails."""
    apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
    names = [package.name for package in missing]
    for command in ([*apt, "update"], [*apt, "install", "--yes", "--no-install-recommends", *names]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"apt-get failed: {(done.stderr or done.stdout).strip()}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

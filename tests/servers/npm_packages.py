"""Programs from npm that tests run: a pinned package is installed by the first test that asks for it, and stays.

    @pytest.mark.needs("npm")
    def test_it():
        process = await asyncio.create_subprocess_exec(npm_program("@copilotkit/aimock", "1.43.0", "llmock"), "-p", "0")

Packages stand in `build/npm`, which git ignores; what they install runs no scripts of theirs.
"""

from pathlib import Path

from tests.servers.kept_packages import kept

# With a package file in it, npm looks for none in the folders above.
ALONE = ("sh", "-c", "echo '{{\"private\": true}}' > package.json")
INSTALL = ("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock", "--loglevel=error")


def npm_program(package: str, version: str, program: str) -> str:
    """The path of a package's program."""
    return str(npm_package(package, version) / "node_modules" / ".bin" / program)


def npm_package(package: str, version: str) -> Path:
    """The folder whose `node_modules` has the package and what it depends on."""
    return kept("npm", f"{package}-{version}", [ALONE, (*INSTALL, f"{package}@{version}")])

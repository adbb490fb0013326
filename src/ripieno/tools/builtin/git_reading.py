"""Reads a git repository with git itself, and lets nothing that the repository configures run."""

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ripieno.domain.jsons import JsonObject
from ripieno.tools.builtin import programs
from ripieno.tools.builtin.programs import Limits, Program
from ripieno.tools.failures import ToolFailed

GIT = Program("git", "apt-get install git")
MOST_COMMITS = 10
MOST_FILES = 100_000
MOST_NAMED = 100

_SAFE = (
    "--no-optional-locks",  # status must not write the index
    "--no-pager",
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "safe.bareRepository=explicit"),
    *("-c", "core.quotePath=false"),
)
_SECRET = re.compile(
    r"(?:\.env|id_(?:rsa|dsa|ecdsa|ed25519)|\.pgpass|\.netrc|.*\.(?:pem|p12|pfx|keystore))", re.IGNORECASE
)
_UNDER_WAY = {
    "MERGE_HEAD": "merge",
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "BISECT_LOG": "bisect",
}


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit; `at` is in seconds since 1970."""

    id: str
    author: str
    at: int
    subject: str


@dataclass(slots=True)
class Repository:
    """What was read. `sizes` are in bytes, by file."""

    folder: Path
    branch: str | None = None
    upstream: str | None = None
    ahead: int = 0
    behind: int = 0
    changed: list[str] = field(default_factory=list[str])
    untracked: list[str] = field(default_factory=list[str])
    conflicts: list[str] = field(default_factory=list[str])
    stashes: int = 0
    commits: Sequence[Commit] = ()
    authors: Sequence[tuple[str, int]] = ()
    files: Sequence[str] = ()
    sizes: Mapping[str, int] = field(default_factory=dict[str, int])
    packed_bytes: int = 0
    under_way: str = ""

    @property
    def secrets(self) -> Sequence[str]:
        """Tracked files whose names are those of keys and credentials."""
        return [name for name in self.files if _SECRET.fullmatch(PurePosixPath(name).name)]

    def data(self) -> JsonObject:
        """All of it as JSON, long lists cut."""
        return {
            "folder": str(self.folder),
            "branch": self.branch,
            "upstream": self.upstream,
            "ahead": self.ahead,
            "behind": self.behind,
            "changed": self.changed[:MOST_NAMED],
            "untracked": self.untracked[:MOST_NAMED],
            "conflicts": self.conflicts[:MOST_NAMED],
            "stashes": self.stashes,
            "commits": [{"id": each.id, "author": each.author, "subject": each.subject} for each in self.commits],
            "authors": [{"name": name, "commits": count} for name, count in self.authors[:MOST_NAMED]],
            "files": len(self.files),
            "history_bytes": self.packed_bytes,
        }


async def read(folder: Path) -> Repository:
    """Read the repository around a folder.

    Raises:
        ToolMissing: There is no git.
        ToolFailed: The folder is in no repository, or git refuses to read it.
    """
    found = Repository(Path(await _root(folder)))
    where = found.folder
    _take_status(found, await _git(where, "status", "--porcelain=v2", "--branch", "-z"))
    found.files = _split(await _git(where, "ls-files", "-z"))[:MOST_FILES]
    found.stashes = len((await _git(where, "stash", "list", "--format=%h")).split())
    found.packed_bytes = _kibibytes(await _git(where, "count-objects", "-v"))
    if await _has_commits(where):
        found.commits = _commits(await _git(where, "log", f"-{MOST_COMMITS}", "--format=%h%x1f%an%x1f%ct%x1f%s"))
        found.authors = _authors((await _git(where, "shortlog", "--summary", "--numbered", "HEAD")).splitlines())
    folder_of_git = Path((await _git(where, "rev-parse", "--absolute-git-dir")).strip())
    found.sizes, found.under_way = await asyncio.to_thread(_from_disk, where, found.files, folder_of_git)
    return found


async def _root(folder: Path) -> str:
    finished = await programs.run(GIT, [*_SAFE, "rev-parse", "--show-toplevel"], Limits(10), folder)
    if finished.code == 0 and finished.output.strip():
        return finished.output.strip()
    if "dubious ownership" in finished.errors:
        hint = "git config --global --add safe.directory with the folder, as the user that runs the server."
        raise ToolFailed("git does not read this repository because it belongs to another user.", hint)
    raise ToolFailed(f"{folder.name} is in no git repository.")


async def _git(folder: Path, *arguments: str) -> str:
    finished = await programs.run(GIT, [*_SAFE, *arguments], Limits(20), folder)
    if finished.code != 0:
        why = "did not end in time" if finished.code is None else "failed"
        raise ToolFailed(f"git {arguments[0]} {why} in this repository.")
    return finished.output


async def _has_commits(folder: Path) -> bool:
    finished = await programs.run(GIT, [*_SAFE, "rev-parse", "--verify", "--quiet", "HEAD"], Limits(10), folder)
    return finished.code == 0


def _take_status(found: Repository, text: str) -> None:
    """Read `git status --porcelain=v2 --branch -z` (git-status(1), "Porcelain Format Version 2")."""
    fields = iter(text.split("\0"))
    for line in fields:
        kind, _, rest = line.partition(" ")
        if kind == "#":
            _take_header(found, rest)
        elif kind == "1":
            found.changed.append(rest.split(" ", 7)[-1])
        elif kind == "2":
            found.changed.append(rest.split(" ", 8)[-1])
            next(fields, None)  # the old name
        elif kind == "u":
            found.conflicts.append(rest.split(" ", 9)[-1])
        elif kind == "?":
            found.untracked.append(rest)


def _take_header(found: Repository, text: str) -> None:
    name, _, value = text.partition(" ")
    if name == "branch.head" and value != "(detached)":
        found.branch = value
    elif name == "branch.upstream":
        found.upstream = value
    elif name == "branch.ab":
        ahead, behind = value.split()
        found.ahead, found.behind = int(ahead), -int(behind)


def _split(text: str) -> list[str]:
    return [name for name in text.split("\0") if name]


def _commits(text: str) -> Sequence[Commit]:
    rows = [line.split("\x1f") for line in text.splitlines()]
    return [Commit(row[0], row[1], int(row[2]), row[3]) for row in rows if len(row) == 4]  # noqa: PLR2004 - the format's


def _authors(lines: Iterable[str]) -> Sequence[tuple[str, int]]:
    rows = [line.strip().partition("\t") for line in lines]
    return [(name, int(count)) for count, _, name in rows if count.isdigit()]


def _kibibytes(text: str) -> int:
    found = re.findall(r"^size(?:-pack)?: (\d+)$", text, re.MULTILINE)
    return 1024 * sum(int(number) for number in found)


def _from_disk(folder: Path, names: Sequence[str], folder_of_git: Path) -> tuple[Mapping[str, int], str]:
    sizes: dict[str, int] = {}
    for name in names:
        try:
            sizes[name] = (folder / name).lstat().st_size
        except OSError:  # deleted in the working tree
            continue
    under_way = next((what for mark, what in _UNDER_WAY.items() if (folder_of_git / mark).exists()), "")
    return sizes, under_way

"""The toolset `git`."""

import asyncio
from collections.abc import Awaitable, Callable

from ripieno.domain.effects import EffectClass
from ripieno.domain.tools import ToolResult
from ripieno.ports import Clock
from ripieno.tools.builtin import git_reading, places
from ripieno.tools.builtin.git_reading import Repository
from ripieno.tools.builtin.wording import counted, listed, report, shortened, size, span
from ripieno.tools.functions import tool

SHOWN_COMMITS = 5
SHOWN_FILES = 8
SHOWN_AUTHORS = 5
BIG_BYTES = 5 * 1024 * 1024


def git_tool(clock: Clock) -> Callable[..., Awaitable[ToolResult]]:
    """`facts`."""

    @tool(
        effect=EffectClass.READ,
        timeout=60,
        keywords=("git", "repository", "checkout", "commits", "branch", "uncommitted changes", "git status"),
    )
    async def facts(path: str = ".") -> ToolResult:
        """Describe a git repository: branch, uncommitted changes, distance from its remote, commits, authors.

        Args:
            path: A folder in the repository; the server's working directory when left out.
        """
        folder = await asyncio.to_thread(places.existing, path)
        repository = await git_reading.read(folder if folder.is_dir() else folder.parent)
        return told(repository, clock.now().timestamp())

    return facts


def told(found: Repository, now: float) -> ToolResult:
    """The repository's facts in lines, problems marked."""
    newest = found.commits[0] if found.commits else None
    lines = [
        f"repository {found.folder.name}: {_branch(found)}, {counted(len(found.files), 'tracked file')}",
        *_changes(found),
        _distance(found),
        f"warning: a {found.under_way} is under way and not finished" if found.under_way else "",
        f"warning: files that look secret are tracked: {listed(found.secrets, SHOWN_FILES)}" if found.secrets else "",
        *_big(found),
        f"{counted(found.stashes, 'stash', 'stashes')} kept" if found.stashes else "",
        f"last commit {span(now - newest.at)} ago by {newest.author}: {shortened(newest.subject, 100)}"
        if newest
        else "",
        *(f"commit {each.id} {shortened(each.subject, 100)}" for each in found.commits[1:SHOWN_COMMITS]),
        _authors(found),
    ]
    return report(lines, found.data())


def _branch(found: Repository) -> str:
    if not found.commits:
        return "no commits yet"
    return f"on branch {found.branch}" if found.branch else "on no branch (detached HEAD)"


def _changes(found: Repository) -> list[str]:
    lines: list[str] = []
    if found.conflicts:
        lines.append(
            f"warning: {counted(len(found.conflicts), 'file')} in conflict: {listed(found.conflicts, SHOWN_FILES)}"
        )
    if found.changed:
        what = counted(len(found.changed), "uncommitted file")
        lines.append(f"warning: {what}: {listed(found.changed, SHOWN_FILES)}")
    if found.untracked:
        what = counted(len(found.untracked), "untracked file")
        lines.append(f"warning: {what}: {listed(found.untracked, SHOWN_FILES)}")
    return lines or ["the working tree is clean"]


def _distance(found: Repository) -> str:
    if found.upstream is None:
        return "the branch follows no remote" if found.branch and found.commits else ""
    if not found.ahead and not found.behind:
        return f"level with {found.upstream}"
    ahead = f"{counted(found.ahead, 'commit')} ahead of" if found.ahead else ""
    behind = f"{counted(found.behind, 'commit')} behind" if found.behind else ""
    text = f"{' and '.join(part for part in (ahead, behind) if part)} {found.upstream}"
    return f"warning: {text}" if found.behind else text


def _big(found: Repository) -> list[str]:
    big = sorted((item for item in found.sizes.items() if item[1] >= BIG_BYTES), key=lambda item: -item[1])
    if not big:
        return [f"{size(found.packed_bytes)} of history"]
    names = listed([f"{name} ({size(count)})" for name, count in big], SHOWN_FILES)
    return [f"{size(found.packed_bytes)} of history", f"warning: {counted(len(big), 'big file')} tracked: {names}"]


def _authors(found: Repository) -> str:
    if not found.authors:
        return ""
    names = [f"{name} ({count:,})" for name, count in found.authors]
    return f"{counted(sum(count for _, count in found.authors), 'commit')} by {listed(names, SHOWN_AUTHORS)}"

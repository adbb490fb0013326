import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ripieno.domain.tools import ToolCall, ToolContext, ToolResult, ToolStatus
from ripieno.testing.fake_clock import FakeClock
from ripieno.tools.builtin.git import BIG_BYTES, git_tool
from ripieno.tools.functions import FunctionToolset

pytestmark = pytest.mark.needs("git")

COMMITTED = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
NOW = datetime(2026, 1, 3, 13, 0, tzinfo=UTC)


def git(folder: Path, *arguments: str) -> str:
    who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in _IDENTITY.items()}
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1", **who}
    done = subprocess.run(["git", *arguments], cwd=folder, env=environment, check=True, capture_output=True, text=True)
    return done.stdout


_IDENTITY = {"NAME": "Anna", "EMAIL": "anna@shop.test", "DATE": COMMITTED.isoformat()}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / "a.py").write_text("a = 1\n")
    (folder / "naïve name.py").write_text("b = 1\n")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message=Open the shop")
    return folder


async def facts(path: Path | str) -> ToolResult:
    toolset = FunctionToolset("git", [git_tool(FakeClock(NOW))])
    return await toolset.call(ToolCall("1", "git.facts", {"path": str(path)}), ToolContext("t", Path("unused")))


async def test_clean_repository(repository: Path):
    lines = (await facts(repository / "a.py")).text.splitlines()
    assert lines[:3] == [
        "repository shop: on branch main, 2 tracked files",
        "the working tree is clean",
        "the branch follows no remote",
    ]
    assert lines[-2:] == ["last commit 2 d 1 h ago by Anna: Open the shop", "1 commit by Anna (1)"]


async def test_everything_that_deserves_attention(repository: Path, tmp_path: Path):
    git(repository, "clone", "--quiet", "--bare", str(repository), str(tmp_path / "remote.git"))
    git(repository, "remote", "add", "origin", str(tmp_path / "remote.git"))
    git(repository, "fetch", "--quiet", "origin")
    git(repository, "branch", "--quiet", "--set-upstream-to=origin/main")
    (repository / ".env").write_text("KEY=secret")
    (repository / "big.bin").write_bytes(b"\0" * BIG_BYTES)
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message=Second")
    (repository / "a.py").write_text("a = 2\n")
    git(repository, "stash", "--quiet")
    (repository / "a.py").write_text("a = 3\n")
    git(repository, "mv", "naïve name.py", "plain.py")
    (repository / "new.py").write_text("")
    result = await facts(repository)
    text = result.text
    assert "warning: 2 uncommitted files: a.py, plain.py" in text
    assert "warning: 1 untracked file: new.py" in text
    assert "1 commit ahead of origin/main" in text
    assert "warning: files that look secret are tracked: .env" in text
    assert "warning: 1 big file tracked: big.bin (5.0 MiB)" in text
    assert "1 stash kept" in text
    assert "KEY" not in text
    git(repository, "reset", "--quiet", "--hard", "HEAD~1")
    git(tmp_path / "shop", "fetch", "--quiet")
    assert "level with origin/main" in (await facts(repository)).text


async def test_behind_and_detached(repository: Path, tmp_path: Path):
    git(repository, "commit", "--quiet", "--allow-empty", "--message=Second")
    git(repository, "clone", "--quiet", str(repository), str(tmp_path / "copy"))
    git(tmp_path / "copy", "reset", "--quiet", "--hard", "HEAD~1")
    assert "warning: 1 commit behind origin/main" in (await facts(tmp_path / "copy")).text
    git(repository, "checkout", "--quiet", "--detach")
    assert "on no branch (detached HEAD)" in (await facts(repository)).text


async def test_conflict(repository: Path):
    git(repository, "checkout", "--quiet", "-b", "other")
    (repository / "a.py").write_text("a = 'other'\n")
    git(repository, "commit", "--quiet", "--all", "--message=Other")
    git(repository, "checkout", "--quiet", "main")
    (repository / "a.py").write_text("a = 'main'\n")
    git(repository, "commit", "--quiet", "--all", "--message=Main")
    with pytest.raises(subprocess.CalledProcessError):
        git(repository, "merge", "--quiet", "other")
    text = (await facts(repository)).text
    assert "warning: 1 file in conflict: a.py" in text
    assert "warning: a merge is under way and not finished" in text


async def test_no_commits_yet(tmp_path: Path):
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    result = await facts(tmp_path)
    assert result.text.splitlines()[0] == f"repository {tmp_path.name}: no commits yet, 0 tracked files"


async def test_nothing_that_the_repository_configures_runs(repository: Path):
    mark = repository.parent / "ran"
    hook = repository.parent / "hook"
    hook.write_text(f"#!/bin/sh\ntouch {mark}\n")
    hook.chmod(0o755)
    git(repository, "config", "core.fsmonitor", str(hook))
    git(repository, "config", "core.pager", str(hook))
    git(repository, "config", "core.hooksPath", str(repository.parent))
    (repository.parent / "post-index-change").write_text(hook.read_text())
    (repository.parent / "post-index-change").chmod(0o755)
    os.utime(repository / "a.py", (1, 1))
    index = (repository / ".git" / "index").read_bytes()
    assert (await facts(repository)).ok
    assert not mark.exists()
    assert (repository / ".git" / "index").read_bytes() == index


async def test_an_embedded_bare_repository_is_not_trusted(repository: Path):
    git(repository.parent, "init", "--quiet", "--bare", str(repository / "vendored"))
    result = await facts(repository / "vendored")
    assert result.status is ToolStatus.ERROR


async def test_no_repository_no_folder_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert (await facts(tmp_path)).text == f"{tmp_path.name} is in no git repository."
    assert (await facts(tmp_path / "missing")).status is ToolStatus.ERROR
    monkeypatch.setenv("PATH", "")
    result = await facts(tmp_path)
    assert (result.status, result.hint) == (ToolStatus.UNAVAILABLE, "apt-get install git")

import os
import stat
from pathlib import Path

import pytest

from ripieno.domain.effects import EffectClass
from ripieno.domain.tools import Risk, ToolCall, ToolContext, ToolResult, ToolStatus
from ripieno.tools.builtin import files, folders
from ripieno.tools.failures import ToolFailed
from ripieno.tools.functions import FunctionToolset

OUTSIDE = "is outside the workspace"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_text("secret")
    return tmp_path / "workspace"


async def call(workspace: Path, tool: str, **arguments: object) -> ToolResult:
    toolset = FunctionToolset("files", [files.write, files.read, files.list_files])
    return await toolset.call(ToolCall("1", f"files.{tool}", arguments), ToolContext("default", workspace))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_writing_needs_an_approval_by_its_risk():
    specs = await FunctionToolset("files", [files.write]).list(ToolContext("default", Path("unused")))
    assert (specs[0].risk, specs[0].effect) == (Risk.HIGH, EffectClass.IDEMPOTENT)


async def test_write_read_list(workspace: Path):
    result = await call(workspace, "write", path="notes/report.md", content="# Hé\n")
    assert (result.status, result.text) == (ToolStatus.OK, "wrote notes/report.md (6 B, 1 line)")
    assert (workspace / "notes" / "report.md").read_text() == "# Hé\n"
    assert (await call(workspace, "read", path="./notes//report.md")).text == "# Hé\n"
    assert (await call(workspace, "list")).text.splitlines() == ["notes (folder)", "notes/report.md (6 B)"]
    assert (await call(workspace, "list", path="notes")).data["files"][0]["path"] == "notes/report.md"


async def test_what_is_written_is_for_this_user_alone(tmp_path: Path):
    before = os.umask(0o022)
    try:
        await call(tmp_path / "workspaces" / "run_1", "write", path="notes/a.md", content="one")
    finally:
        os.umask(before)
    made = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "workspaces").rglob("*")}
    assert made == {"run_1": 0o700, "notes": 0o700, "a.md": 0o600}
    assert (tmp_path / "workspaces").stat().st_mode & 0o777 == 0o700


async def test_writing_the_same_again_changes_nothing(workspace: Path):
    await call(workspace, "write", path="a.md", content="one")
    before = (workspace / "a.md").stat()
    result = await call(workspace, "write", path="a.md", content="one")
    assert result.text == "a.md (3 B, 1 line) has this content already"
    assert (workspace / "a.md").stat() == before
    await call(workspace, "write", path="a.md", content="two")
    assert (workspace / "a.md").read_text() == "two"
    assert names(workspace) == ["a.md"]


def test_dry_run_writes_nothing(workspace: Path):
    context = ToolContext("default", workspace, dry_run=True)
    assert files.write("a.md", "one", context).text == "would write a.md (3 B, 1 line)"
    assert not workspace.exists()
    with pytest.raises(ToolFailed, match=OUTSIDE):
        files.write("../a.md", "one", context)


async def test_nothing_there_yet(workspace: Path):
    assert (await call(workspace, "list")).text == "the workspace is empty"
    result = await call(workspace, "read", path="a.md")
    assert (result.status, result.hint) == (ToolStatus.ERROR, "files.list shows what there is.")
    assert not (await call(workspace, "list", path="nowhere")).ok


@pytest.mark.parametrize(
    "path",
    ["../secret.txt", "a/../../secret.txt", "/etc/passwd", "//etc/passwd", "~/x", "~root/x", "..", "a/..", ".", "./"],
)
@pytest.mark.parametrize("tool", ["write", "read"])
async def test_paths_that_lead_out_are_refused(workspace: Path, tool: str, path: str):
    workspace.mkdir()
    (workspace / "a").mkdir()
    result = await call(workspace, tool, path=path, **({"content": "x"} if tool == "write" else {}))
    assert result.status is ToolStatus.ERROR
    assert OUTSIDE in result.text
    assert (workspace.parent / "secret.txt").read_text() == "secret"
    assert "secret" not in result.text.replace("secret.txt", "")


@pytest.mark.parametrize("path", ["", "  ", "a\x00b", "a\nb", "..\\secret.txt", "x" * 500, "x" * 300, "a/" * 30 + "b"])
@pytest.mark.parametrize("tool", ["write", "read"])
async def test_what_is_no_path_is_refused(workspace: Path, tool: str, path: str):
    workspace.mkdir()
    result = await call(workspace, tool, path=path, **({"content": "x"} if tool == "write" else {}))
    assert result.status is ToolStatus.ERROR
    assert str(workspace) not in result.text
    assert names(workspace) == []


@pytest.mark.parametrize("tool", ["write", "read"])
async def test_links_are_not_followed(workspace: Path, tool: str):
    workspace.mkdir()
    (workspace / "file").symlink_to(workspace.parent / "secret.txt")
    (workspace / "folder").symlink_to(workspace.parent)
    (workspace / "dangling").symlink_to(workspace.parent / "new.txt")
    for path in ("file", "folder/secret.txt", "folder/new.txt", "dangling"):
        result = await call(workspace, tool, path=path, **({"content": "x"} if tool == "write" else {}))
        assert result.status is ToolStatus.ERROR, path
        assert "secret" not in result.text.replace("secret.txt", "")
    assert (workspace.parent / "secret.txt").read_text() == "secret"
    assert names(workspace.parent) == ["secret.txt", "workspace"]
    assert not (await call(workspace, "list", path="folder")).ok
    assert (await call(workspace, "list")).text.splitlines() == ["dangling (other)", "file (other)", "folder (other)"]


async def test_folders_pipes_and_git_are_left_alone(workspace: Path):
    (workspace / "folder").mkdir(parents=True)
    os.mkfifo(workspace / "pipe")
    for path in ("folder", "pipe"):
        assert not (await call(workspace, "write", path=path, content="x")).ok
        assert not (await call(workspace, "read", path=path)).ok
    for path in (".git/config", "sub/.GIT/hooks/pre-commit"):
        assert "Nothing is written into .git" in (await call(workspace, "write", path=path, content="x")).text
    assert names(workspace) == ["folder", "pipe"]
    assert stat.S_ISFIFO((workspace / "pipe").stat().st_mode)


async def test_a_file_in_the_way_is_no_folder(workspace: Path):
    await call(workspace, "write", path="a", content="x")
    assert not (await call(workspace, "write", path="a/b", content="x")).ok
    assert (workspace / "a").read_text() == "x"


async def test_large_and_binary_files(workspace: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(folders, "MOST_READ", 10)
    monkeypatch.setattr(folders, "MOST_WRITTEN", 20)
    monkeypatch.setattr(folders, "MOST_LISTED", 2)
    assert "larger than 20 bytes" in (await call(workspace, "write", path="a", content="x" * 21)).text
    await call(workspace, "write", path="a", content="0123456789abc")
    assert (await call(workspace, "read", path="a")).text == "(the first 10 B of 13 B)\n0123456789"
    await call(workspace, "write", path="b", content="\0")
    assert (await call(workspace, "read", path="b")).text == "b is not a text file."
    await call(workspace, "write", path="c", content="")
    assert (await call(workspace, "read", path="c")).text == "c is empty"
    assert (await call(workspace, "list")).text.splitlines()[-1] == "only the first 2 are listed"


async def test_a_write_that_fails_leaves_no_part_behind(workspace: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    await call(workspace, "write", path="a", content="old")
    monkeypatch.setattr(os, "replace", full)
    result = await call(workspace, "write", path="a", content="new")
    assert result.text == "a cannot be used: no space left on device."
    assert (workspace / "a").read_text() == "old"
    assert names(workspace) == ["a"]

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ripieno.domain.tools import ToolCall, ToolContext, ToolResult, ToolStatus
from ripieno.tools.builtin import code, findings
from ripieno.tools.failures import ToolFailed
from ripieno.tools.functions import FunctionToolset

BAD = "import os\nimport sys\nimport subprocess\n\nsubprocess.call('ls ' + input(), shell=True)\n"


async def review(path: Path | str) -> ToolResult:
    toolset = FunctionToolset("code", [code.review])
    return await toolset.call(ToolCall("1", "code.review", {"path": str(path)}), ToolContext("t", Path("unused")))


def programs_are_here() -> bool:
    try:
        return bool(code.RUFF.find() and code.BANDIT.find())
    except ToolFailed:
        return False


needs_programs = pytest.mark.skipif(not programs_are_here(), reason="ruff or bandit is not installed")


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    (folder / ".venv").mkdir(parents=True)
    (folder / "node_modules").mkdir()
    for place in (folder, folder / ".venv", folder / "node_modules"):
        (place / "bad.py").write_text(BAD)
    (folder / "notes.md").write_text("# no code")
    return folder


@needs_programs
async def test_findings_are_grouped_and_vendored_code_is_skipped(sources: Path):
    before = sorted(sources.rglob("*"))
    result = await review(sources)
    lines = result.text.splitlines()
    assert lines[0] == "4 lines of Python code reviewed in shop"
    assert any(line.startswith("warning: high severity: B602") and "(bad.py:5)" in line for line in lines)
    assert any(line.startswith("F401") and line.endswith("(bad.py:1 and 1 more)") for line in lines)
    assert {item["file"] for item in result.data["findings"]} == {"bad.py"}
    assert sorted(sources.rglob("*")) == before, "the review left something behind"


@needs_programs
async def test_configuration_of_the_project_cannot_make_it_write(sources: Path):
    (sources / "ruff.toml").write_text("fix = true\nunsafe-fixes = true\n")
    (sources / ".bandit").write_text(f"[bandit]\noutput: {sources}/written\nformat: txt\n")
    assert (await review(sources)).ok
    assert (sources / "bad.py").read_text() == BAD
    assert not (sources / "written").exists()


@needs_programs
async def test_one_file_and_good_code(sources: Path):
    (sources / "__init__.py").touch()
    (sources / "good.py").write_text('"""Good."""\n\nPRICE = 3\n')
    result = await review(sources / "good.py")
    assert result.text.splitlines()[1:] == ["no security findings", "no lint findings"]


@needs_programs
async def test_a_file_that_does_not_parse_is_severe(sources: Path):
    (sources / "broken.py").write_text("def (:\n")
    text = (await review(sources / "broken.py")).text
    assert "warning: high severity: invalid-syntax" in text


async def test_other_files_and_missing_paths_are_refused(sources: Path):
    assert (await review(sources / "notes.md")).text.endswith("is not a Python file.")
    assert (await review(sources / "missing")).status is ToolStatus.ERROR


@pytest.fixture
def only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Leaves only the named programs on this machine."""
    folder = tmp_path / "bin"
    folder.mkdir()
    found = {program.name: program.find() for program in (code.RUFF, code.BANDIT) if programs_are_here()}

    def keep(*names: str) -> None:
        for name in names:
            (folder / name).symlink_to(found[name])
        monkeypatch.setattr(sys, "executable", str(folder / "python3"))
        monkeypatch.setenv("PATH", "")

    return keep


async def test_without_both_programs_it_is_unavailable(sources: Path, only: Callable[..., None]):
    only()
    result = await review(sources)
    assert (result.status, result.hint) == (ToolStatus.UNAVAILABLE, "pip install 'ripieno[review]'")


@needs_programs
async def test_without_one_of_them_the_other_still_reviews(sources: Path, only: Callable[..., None]):
    only("ruff")
    result = await review(sources)
    assert result.ok
    assert "F401" in result.text
    assert (
        "bandit was left out: The program bandit is not installed here. (pip install 'ripieno[review]')" in result.text
    )


def finding(rule: str, severity: str) -> findings.Finding:
    return findings.Finding("bandit", rule, f"{rule}.py", 1, "message", severity)


def test_the_severe_come_first_then_the_frequent():
    found = [finding("A", "low"), finding("B", "low"), finding("B", "low"), finding("C", "high"), finding("D", "odd")]
    assert [(kind.rule, kind.count) for kind in findings.kinds(found)] == [("C", 1), ("B", 2), ("A", 1), ("D", 1)]


def test_many_rules_are_cut(tmp_path: Path):
    found = [finding(f"B{number}", "medium") for number in range(20)]
    lines = code.told(tmp_path, found, 0, []).text.splitlines()
    assert "and 12 more rules" in lines
    assert lines[0] == f"{tmp_path.name} reviewed"


@pytest.mark.parametrize("output", ["", "oops", "[]]", "3"])
def test_nonsense_from_a_program_is_told(tmp_path: Path, output: str):
    with pytest.raises(ToolFailed, match="no result"):
        findings.of_ruff(output, tmp_path)
    with pytest.raises(ToolFailed, match="no result"):
        findings.of_bandit(output, tmp_path)


def test_odd_rows_are_read(tmp_path: Path):
    rows = [{"code": None, "filename": str(tmp_path / "a" / "b.py"), "location": None, "message": "m"}]
    [found] = findings.of_ruff(json.dumps(rows), tmp_path)
    assert (found.rule, found.file, found.line, found.severity) == ("invalid-syntax", "a/b.py", 0, "high")

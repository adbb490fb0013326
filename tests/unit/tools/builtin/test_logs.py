import gzip
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ripieno.domain.tools import ToolCall, ToolContext, ToolResult, ToolStatus
from ripieno.testing.fake_clock import FakeClock
from ripieno.tools.builtin import log_groups, log_sources
from ripieno.tools.builtin.logs import log_tools
from ripieno.tools.functions import FunctionToolset

NOW = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
APP = """2026-01-15 08:00:00 INFO started, 0 errors
2026-01-15 08:00:01 ERROR connection 17 to 10.0.0.1:5432 refused
2026-01-15 09:30:00 ERROR connection 99 to 10.0.0.2:5432 refused
Traceback (most recent call last):
ValueError: "left" is wrong
2026-01-15 10:00:00 FATAL out of memory in /srv/app/main.py
2026-01-15 10:01:00 INFO Connection Opened for user "anna"
2026-01-02 01:00:00 ERROR disk sda is old
"""
REFUSED = "2026-01-15 09:30:00 ERROR connection 99 to 10.0.0.2:5432 refused"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "app.log"
    path.write_text(APP)
    os.utime(path, (NOW.timestamp(), NOW.timestamp()))
    return path


async def call(tool: str, **arguments: object) -> ToolResult:
    toolset = FunctionToolset("logs", log_tools(FakeClock(NOW)))
    return await toolset.call(ToolCall("1", f"logs.{tool}", arguments), ToolContext("default", Path("unused")))


async def test_errors_are_grouped_with_counts_and_times(log: Path):
    result = await call("errors", path=str(log), since="1d")
    assert result.text.splitlines() == [
        f"warning: 5 error lines in {log} since 2026-01-14 12:00, 4 kinds",
        f"critical: 1 x 2026-01-15 10:00:00 FATAL out of memory in /srv/app/main.py ({log}, 2026-01-15 10:00)",
        f"error: 2 x {REFUSED} ({log}, 2026-01-15 08:00 to 2026-01-15 09:30)",
        f"error: 1 x Traceback (most recent call last): ({log}, 2026-01-15 09:30)",
        f'error: 1 x ValueError: "left" is wrong ({log}, 2026-01-15 09:30)',
    ]
    assert result.data["groups"][1]["template"] == "ERROR connection <n> to <address> refused"


async def test_no_errors_is_said(tmp_path: Path):
    path = tmp_path / "quiet.log"
    path.write_text("2026-01-15 08:00:00 INFO done without errors\n2026-01-15 08:00:00 failed: 0\n")
    result = await call("errors", path=str(path), since="2026-01-15")
    assert result.text == f"no errors in {path} since 2026-01-15 00:00"


async def test_many_kinds_are_cut(tmp_path: Path):
    path = tmp_path / "noisy.log"
    words = [f"{a}{b}" for a in "abcdefghijk" for b in "lmnop"]
    path.write_text("\n".join(f"2026-01-15 08:00:00 ERROR {word} broke" for word in words))
    lines = (await call("errors", path=str(path))).text.splitlines()
    assert lines[-1] == "and 43 more kinds"
    assert len(lines) == 14


async def test_search_in_any_case_with_stars_and_alternatives(log: Path):
    for pattern, count in (("connection", 3), ("connection*refused", 2), ("fatal|left", 2), ("refused*connection", 0)):
        assert (await call("search", pattern=pattern, path=str(log))).data["count"] == count, pattern
    result = await call("search", pattern="ERROR", path=str(log), since="2026-01-15 09:00", limit=1)
    assert result.text.splitlines()[0] == f"2 log lines with 'ERROR' in {log}"


async def test_search_shows_the_newest(log: Path):
    result = await call("search", pattern="refused", path=str(log), limit=1)
    assert result.text.splitlines()[1:] == ["the newest 1 of them:", REFUSED]


@pytest.mark.parametrize("pattern", ["", "*", "|", "**|*", "x" * 201])
async def test_search_needs_a_text(log: Path, pattern: str):
    assert not (await call("search", pattern=pattern, path=str(log))).ok


async def test_patterns_are_no_regular_expressions(log: Path):
    result = await call("search", pattern="(a+)+$", path=str(log))
    assert (result.status, result.data["count"]) == (ToolStatus.OK, 0)


async def test_a_folder_means_the_logs_in_it(tmp_path: Path, log: Path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "other.log.1").write_text("2026-01-15 07:00:00 ERROR other\n")
    (tmp_path / "notes.txt").write_text("2026-01-15 07:00:00 ERROR not a log\n")
    (tmp_path / "packed.log.gz").write_bytes(gzip.compress(b"2026-01-15 07:00:00 ERROR packed\n"))
    (tmp_path / "binary.log").write_bytes(b"ERROR \0\1\2")
    (tmp_path / "link.log").symlink_to(log)
    result = await call("search", pattern="error", path=str(tmp_path))
    assert {Path(line["source"]).name for line in result.data["lines"]} == {"app.log", "other.log.1"}
    assert f"{log}: 2026-01-15" in result.text


@pytest.mark.parametrize("name", ["id_rsa", ".env", "passwd", "app.log.key", "notes.txt"])
async def test_what_does_not_look_like_a_log_is_not_opened(tmp_path: Path, name: str):
    secret = tmp_path / name
    secret.write_text("error: secret")
    (tmp_path / "disguised.log").symlink_to(secret)
    for path in (secret, tmp_path / "disguised.log"):
        result = await call("search", pattern="secret", path=str(path))
        assert (result.status, "does not look like a log" in result.text) == (ToolStatus.ERROR, True)


@pytest.mark.parametrize("path", ["/proc/self/environ", "/no/such/file.log", "a\x00b", "/etc/passwd"])
async def test_other_paths_are_refused(path: str):
    assert not (await call("errors", path=path)).ok


async def test_a_folder_without_logs_is_told(tmp_path: Path):
    assert "holds no logs" in (await call("errors", path=str(tmp_path))).text


async def test_without_journal_the_log_folder_is_read(log: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(log_sources, "LOGS", log.parent)
    assert (await call("errors", since="1d")).text.startswith(f"warning: 5 error lines in {log} since")
    (log.parent / "second.log").write_text("quiet\n")
    assert "in 2 log files" in (await call("search", pattern="error")).text


async def test_without_any_log_nothing_is_claimed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(log_sources, "LOGS", tmp_path)
    assert (await call("errors")).text == "no errors in the logs (none can be read here) since 2026-01-08 12:00"


async def test_the_journal_is_asked_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    journalctl = tmp_path / "journalctl"
    journalctl.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n'
        'echo "2026-01-15T11:00:00+00:00 host app[1]: cannot open the door"\n'
        'echo "2026-01-15T11:30:00+00:00 host app[2]: cannot open the door"\n'
    )
    journalctl.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    errors = await call("errors", since="1d")
    assert errors.text.splitlines()[0] == "warning: 2 error lines in the journal since 2026-01-14 12:00, 1 kind"
    assert (await call("search", pattern="door")).text.startswith("2 log lines with 'door' in the journal")
    asked = (tmp_path / "asked").read_text().splitlines()
    moment = int((NOW - timedelta(days=1)).timestamp())
    assert asked[1].endswith(f"--since=@{moment} --priority=3")


async def test_an_empty_journal_is_no_source(log: Path, monkeypatch: pytest.MonkeyPatch):
    journalctl = log.parent / "journalctl"
    journalctl.write_text("#!/bin/sh\nexit 0\n")
    journalctl.chmod(0o755)
    monkeypatch.setenv("PATH", str(log.parent))
    monkeypatch.setattr(log_sources, "LOGS", log.parent)
    assert str(log) in (await call("errors", since="1d")).text


def test_only_the_end_of_large_files_is_read(log: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(log_sources, "FILE_BYTES", 60)
    monkeypatch.setattr(log_sources, "ALL_BYTES", 60)
    assert [line.text for line in log_sources.read([log, log], None, NOW)] == [
        "2026-01-02 01:00:00 ERROR disk sda is old"
    ]


def test_files_that_vanish_or_are_old_are_passed_over(log: Path, tmp_path: Path):
    assert list(log_sources.read([tmp_path / "gone.log"], None, NOW)) == []
    os.utime(log, (0, 0))
    assert list(log_sources.read([log], NOW - timedelta(days=1), NOW)) == []


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("ERROR x", True),
        ("[error] x", True),
        ("java.lang.NullPointerException: x", True),
        ("access denied", True),
        ("finished with 0 errors", False),
        ("no fatal errors", False),
        ("errors=0 failed=0", False),
        ("installed liberror-perl and libgpg-error0", False),
        ("terrors of the night", False),
    ],
)
def test_is_error(text: str, error: bool):
    assert log_groups.is_error(text) is error


@pytest.mark.parametrize(
    ("text", "template"),
    [
        ("Jan 15 08:00:00 host app[12]: gone", "host app[<n>]: gone"),
        ("2026-01-15T08:00:00.5Z x 0xdeadbeef at 2026-01-15 08:00:00", "x <hex> at <time>"),
        ("run 01234567-89ab-cdef-0123-456789abcdef failed", "run <id> failed"),
        ("cannot   open '/a/b' and /c/d.txt", "cannot open <text> and <path>"),
        ("it's Anna's", "it's Anna's"),
    ],
)
def test_template(text: str, template: str):
    assert log_groups.template(text) == template


def test_templates_are_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(log_groups, "MOST_GROUPS", 2)
    lines = [log_sources.LogLine("s", f"error {word}", None) for word in ("a", "b", "c", "a")]
    assert [(group.template, group.count) for group in log_groups.grouped(lines)] == [("error a", 2), ("error b", 1)]

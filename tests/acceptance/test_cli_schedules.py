"""`ripieno schedules` on a data folder without a server."""

from pathlib import Path

import pytest

from tests.acceptance.command_line import ripieno

pytestmark = pytest.mark.acceptance


BERLIN = ("--cron", "30 2 * * *", "--timezone", "Europe/Berlin")


def test_a_schedule_is_made_and_shown(tmp_path: Path):
    made = ripieno(tmp_path, "schedules", "add", "night", "What is 12 * 34?", *BERLIN)
    assert (made.code, made.out[:15]) == (0, "night ticks at ")
    (listed,) = ripieno(tmp_path, "schedules", "list", "--json").json["data"]
    assert (listed["name"], listed["agent"], listed["status"]) == ("night", "default", "active")
    assert "30 2 * * * Europe/Berlin" in ripieno(tmp_path, "schedules", "list").out
    assert len(ripieno(tmp_path, "schedules", "show", "night", "--next", "7", "--json").json["next_ticks"]) == 7


def test_a_schedule_is_triggered(tmp_path: Path):
    ripieno(tmp_path, "schedules", "add", "often", "What is 12 * 34?", "--every", "3600")
    assert "408" in ripieno(tmp_path, "schedules", "trigger", "often").out
    assert "started" in ripieno(tmp_path, "schedules", "runs", "often").out
    (line,) = ripieno(tmp_path, "schedules", "runs", "often", "--json").json["data"]
    assert (line["run_status"], line["triggered_by"]) == ("completed", "local")


def test_a_schedule_rests_and_goes(tmp_path: Path):
    dry = ripieno(tmp_path, "schedules", "add", "night", "Go.", *BERLIN, "--dry-run")
    assert dry.out.startswith("night would tick at ")
    ripieno(tmp_path, "schedules", "add", "often", "--every", "3600")
    assert ripieno(tmp_path, "schedules", "pause", "often").out == "often is paused\n"
    assert ripieno(tmp_path, "schedules", "resume", "often").out.startswith("often is active; next ")
    assert ripieno(tmp_path, "schedules", "delete", "often").out == "often is deleted\n"


def test_what_cannot_be_is_refused(tmp_path: Path):
    refused = ripieno(tmp_path, "schedules", "add", "never", "Go.", "--cron", "0 0 31 2 *")
    assert refused.code == 2
    assert refused.err.startswith("error[invalid]: ")
    assert "/cron" in refused.err

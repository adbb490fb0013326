"""`ripieno secrets` on a data folder without a server, with real sealing."""

from pathlib import Path

import pytest

from tests.acceptance.command_line import ripieno

pytestmark = pytest.mark.acceptance


def test_values_go_in_and_never_come_out(tmp_path: Path):
    done = ripieno(tmp_path, "secrets", "set", "github", given="ghp_secret_value\n")
    assert (done.code, done.out) == (0, "github is set\n")
    listed = ripieno(tmp_path, "secrets", "list", "--json")
    assert [secret["name"] for secret in listed.json["data"]] == ["github"]
    rotated = ripieno(tmp_path, "secrets", "rotate")
    assert (rotated.code, rotated.out) == (0, "1 sealed anew\n")
    for file in (tmp_path / ".ripieno").rglob("*"):
        assert file.is_dir() or b"ghp_secret_value" not in file.read_bytes(), file
    assert ripieno(tmp_path, "secrets", "delete", "github").code == 0
    missing = ripieno(tmp_path, "secrets", "delete", "github")
    assert missing.code == 2
    assert missing.err.startswith("error[not_found]: ")
    empty = ripieno(tmp_path, "secrets", "set", "empty", given="")
    assert empty.code == 2
    assert "standard input" in empty.err

"""`ripieno artifacts`, and files that come with a goal, on a data folder without a server."""

import json
from pathlib import Path

import pytest

from tests.acceptance.command_line import ripieno

pytestmark = pytest.mark.acceptance


def test_files_go_in_and_come_back(tmp_path: Path):
    (tmp_path / "notes.txt").write_bytes(b"one\ntwo\n")
    put = ripieno(tmp_path, "artifacts", "put", "notes.txt")
    assert put.code == 0, put.err
    artifact = put.out.strip()
    assert artifact.startswith("art_")
    (listed,) = ripieno(tmp_path, "artifacts", "list", "--json").json["data"]
    assert (listed["id"], listed["name"], listed["media_type"], listed["size"]) == (
        artifact,
        "notes.txt",
        "text/plain",
        8,
    )
    assert ripieno(tmp_path, "artifacts", "get", artifact).out == "one\ntwo\n"
    assert ripieno(tmp_path, "artifacts", "get", artifact, "--out", "copy.txt").code == 0
    assert (tmp_path / "copy.txt").read_bytes() == b"one\ntwo\n"
    assert ripieno(tmp_path, "artifacts", "delete", artifact).code == 0
    missing = ripieno(tmp_path, "artifacts", "get", artifact)
    assert (missing.code, missing.err.partition(":")[0]) == (2, "error[not_found]")


def test_a_file_comes_with_a_goal(tmp_path: Path):
    (tmp_path / "notes.csv").write_bytes(b"a,b\n1,2\n")
    done = ripieno(tmp_path, "run", "What is 6*7?", "--attach", "notes.csv", "--model", "offline", "--json")
    assert done.code == 0, done.err
    (listed,) = ripieno(tmp_path, "artifacts", "list", "--json").json["data"]
    assert listed["media_type"] == "text/csv"
    nothing = ripieno(tmp_path, "run", "look", "--attach", "missing.csv")
    assert nothing.code == 2
    assert json.dumps("missing.csv")[1:-1] in nothing.err

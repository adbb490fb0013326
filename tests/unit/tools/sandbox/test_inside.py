"""What goes in and comes out, without a sandbox around it; and answers of somebody who lies."""

import io
import json
import os
import socket
from pathlib import Path

import pytest

from ripieno.domain.jsons import JsonObject
from ripieno.tools.failures import ToolFailed
from ripieno.tools.sandbox import inside
from ripieno.tools.sandbox.packets import memory_file, packed, taken


def test_files_come_back_as_they_went_in(tmp_path: Path) -> None:
    inside.unpack(io.BytesIO(packed({"a/b.bin": b"\0\n\1", "./c": b""})), tmp_path)
    assert (tmp_path / "a/b.bin").read_bytes() == b"\0\n\1"
    answer = memory_file(b"".join(inside.pack(tmp_path, 3, 100, 10)))
    assert taken(answer, 100) == (3, {"a/b.bin": b"\0\n\1", "c": b""}, {})
    os.close(answer)


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "", "a\nb"])
def test_paths_out_of_the_folder_do_not_go_in(path: str) -> None:
    with pytest.raises(ToolFailed):
        packed({path: b""})


def test_what_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "1").write_bytes(b"1234")
    (tmp_path / "2").write_bytes(b"12345678")
    (tmp_path / "3").symlink_to("/etc/passwd")
    (tmp_path / "4").symlink_to("/")
    os.mkfifo(tmp_path / "5")
    head = json.loads(inside.pack(tmp_path, 0, 10, 10)[0])
    assert head["files"] == [["1", 4]]
    assert head["left_out"] == {
        "2": "it is too large",
        "3": "it is a link",
        "4": "it is a link",
        "5": "it is no file",
    }
    assert json.loads(inside.pack(tmp_path, 0, 100, 1)[0])["left_out"]["2"] == "there are too many files"


@pytest.mark.parametrize(
    "lie",
    [b"", b"{", b"[]\n", b'{"code": "x"}\n', b'{"code": 0, "files": 1, "left_out": {}}\n', b"[" * 100_000 + b"\n"],
)
def test_an_answer_that_is_none(lie: bytes) -> None:
    answer = memory_file(lie)
    assert taken(answer, 100) == (None, {}, {})
    os.close(answer)


def test_lies_about_names_and_sizes() -> None:
    head: JsonObject = {
        "code": 0,
        "files": [["../x", 1], ["/y", 1], ["ok", 1], ["huge", 1 << 40], ["z", 1]],
        "left_out": {},
    }
    answer = memory_file(json.dumps(head).encode() + b"\nabcdef")
    code, files, left_out = taken(answer, 100)
    os.close(answer)
    assert (code, files) == (0, {"ok": b"c"})
    assert set(left_out) == {"'../x'", "'/y'", "huge"}


def test_a_command_runs_and_its_end_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    assert inside.run(["sh", "-c", "exit 7"]) == 7
    assert inside.run(["sh", "-c", "kill -9 $$"]) == 137
    assert inside.run(["no-such-program"]) == 127
    assert "cannot be started" in capfd.readouterr().err


def test_the_bridge_hands_on_and_closes_what_leads_nowhere(tmp_path: Path) -> None:
    place = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as proxy:
        proxy.bind(place)
        proxy.listen()
        port = inside.bridge(0, place)
        with socket.create_connection(("127.0.0.1", port)) as near:
            far, _ = proxy.accept()
            with far:
                near.sendall(b"there")
                assert far.recv(10) == b"there"
                far.sendall(b"and back")
                assert near.recv(10) == b"and back"
                near.shutdown(socket.SHUT_WR)
                assert far.recv(10) == b""
    with socket.create_connection(("127.0.0.1", port)) as near:
        assert near.recv(10) == b""

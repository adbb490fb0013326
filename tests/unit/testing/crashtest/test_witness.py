"""The witness, read while it is written and after its writer was killed."""

from pathlib import Path

from ripieno.testing.crashtest.witness import Witness


def test_what_was_told_is_read_in_order(tmp_path: Path):
    witness = Witness(tmp_path / "witness", life=2)
    witness.tell("called", n=1)
    witness.tell("acted", n=1)
    assert witness.lines() == [{"what": "called", "life": 2, "n": 1}, {"what": "acted", "life": 2, "n": 1}]
    assert witness.saw("acted", n=1)
    assert not witness.saw("acted", n=2)


def test_a_line_that_is_half_written_is_not_yet_there(tmp_path: Path):
    path = tmp_path / "witness"
    Witness(path).tell("called")
    with path.open("ab") as file:
        file.write(b'\n{"what":"bo')
    assert [line["what"] for line in Witness(path).lines()] == ["called"]


def test_a_line_cut_off_by_a_kill_spoils_no_other(tmp_path: Path):
    path = tmp_path / "witness"
    path.write_bytes(b'\n{"what":"born","runs":[{"agent":"clerk')
    Witness(path).tell("called")
    assert [line["what"] for line in Witness(path).lines()] == ["called"]


def test_nothing_was_told_yet(tmp_path: Path):
    assert Witness(tmp_path / "witness").lines() == []

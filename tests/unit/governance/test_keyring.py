"""Where master keys come from."""

import base64
from pathlib import Path

import pytest

from ripieno.domain.errors import Invalid, SecretsLocked
from ripieno.governance.keyring import FileKeyring, GivenKeyring, NoKeyring

ONE, TWO = bytes(range(32)), bytes(32)


def text(key: bytes) -> str:
    return base64.b64encode(key).decode()


def test_the_first_given_key_is_the_current():
    keys = GivenKeyring([f"new:{text(ONE)}", f"old:{text(TWO)}"])
    assert keys.current() == ("new", ONE)
    assert keys.key("old") == TWO
    assert keys.key("lost") is None
    keys.renew()
    assert keys.current() == ("new", ONE)


def test_a_key_without_an_id_is_named_by_a_fingerprint():
    key_id, key = GivenKeyring([text(ONE)]).current()
    assert key == ONE
    assert len(key_id) == 12
    assert GivenKeyring([text(TWO)]).current()[0] != key_id


@pytest.mark.parametrize("wrong", ["", "id:", "id:###", f"id:{text(ONE[:16])}"])
def test_what_is_no_key_is_refused_without_showing_it(wrong: str):
    with pytest.raises(Invalid) as caught:
        GivenKeyring([text(ONE), wrong])
    assert caught.value.problems[0].pointer == "/secrets/master_keys/1"
    assert not wrong or wrong not in str(caught.value.problems)


def test_a_file_is_made_when_it_is_needed_and_only_for_us(tmp_path: Path):
    path = tmp_path / "keys" / "master"
    keys = FileKeyring(path)
    assert keys.key("any") is None
    assert not path.exists()
    first = keys.current()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert FileKeyring(path).current() == first
    assert FileKeyring(path).key(first[0]) == first[1]


def test_a_new_key_stands_before_the_old_ones(tmp_path: Path):
    path = tmp_path / "master"
    ours, others = FileKeyring(path), FileKeyring(path)
    old = ours.current()
    assert others.current() == old
    ours.renew()
    new = ours.current()
    assert new != old
    assert ours.key(old[0]) == old[1]
    assert others.key(new[0]) == new[1], "a process that runs meanwhile finds it"
    assert [path.name for path in tmp_path.iterdir()] == ["master"]


def test_a_file_that_others_may_read_is_refused(tmp_path: Path):
    path = tmp_path / "master"
    FileKeyring(path).current()
    path.chmod(0o640)
    with pytest.raises(SecretsLocked, match="chmod 600"):
        FileKeyring(path).current()


def test_a_file_that_cannot_be_read_or_written_is_told(tmp_path: Path):
    with pytest.raises(SecretsLocked, match="cannot be read"):
        FileKeyring(tmp_path).current()
    (tmp_path / "plain").write_text("")
    with pytest.raises(SecretsLocked, match="cannot be"):
        FileKeyring(tmp_path / "plain" / "master").renew()


def test_a_key_that_cannot_be_written_is_not_used(tmp_path: Path):
    (tmp_path / ".master.new").mkdir()
    keys = FileKeyring(tmp_path / "master")
    with pytest.raises(SecretsLocked, match="cannot be written"):
        keys.current()
    assert not (tmp_path / "master").exists()


def test_a_file_with_rubbish_is_refused(tmp_path: Path):
    path = tmp_path / "master"
    path.touch(mode=0o600)
    path.write_text("id:rubbish\n")
    with pytest.raises(Invalid):
        FileKeyring(path).current()


def test_without_keys_nothing_is_sealed_or_opened():
    for ask in (NoKeyring().current, NoKeyring().renew, lambda: NoKeyring().key("any")):
        with pytest.raises(SecretsLocked, match=r"secrets\.master_keys"):
            ask()

"""Sealing: only the right key opens, and only for whom it was sealed."""

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ripieno.domain.errors import SecretUnreadable
from ripieno.domain.secrets import SealedSecret
from ripieno.governance.envelope import EnvelopeCipher
from ripieno.governance.keyring import GivenKeyring

OLD = "old:" + base64.b64encode(bytes(32)).decode()
NEW = "new:" + base64.b64encode(bytes(range(32))).decode()
CIPHER = EnvelopeCipher(GivenKeyring([OLD]))


@given(st.text(st.characters(codec="utf-8"), max_size=300))
def test_what_was_sealed_opens(value: str):
    sealed = CIPHER.seal("acme", "key", value)
    assert sealed.key_id == "old"
    assert CIPHER.open("acme", "key", sealed) == value


def test_the_value_is_not_in_what_is_kept_and_never_sealed_alike():
    one, two = (CIPHER.seal("acme", "key", "hunter2hunter2") for _ in range(2))
    assert one != two
    assert "hunter2" not in one.sealed
    assert b"hunter2" not in base64.b64decode(one.sealed.split(":")[2])


@pytest.mark.parametrize(("tenant", "name"), [("other", "key"), ("acme", "other"), ("acm", "e\0key")])
def test_it_opens_for_nobody_else(tenant: str, name: str):
    sealed = CIPHER.seal("acme", "key", "value")
    with pytest.raises(SecretUnreadable, match="sealed for something else"):
        CIPHER.open(tenant, name, sealed)


def test_a_changed_seal_does_not_open():
    sealed = CIPHER.seal("acme", "key", "value")
    form, wrapped, data = sealed.sealed.split(":")
    for broken in (f"{form}:{data}:{wrapped}", f"{form}:{wrapped}:{data[:-8]}", f"{form}::"):
        with pytest.raises(SecretUnreadable, match="was changed"):
            CIPHER.open("acme", "key", SealedSecret("old", broken))


@pytest.mark.parametrize("form", ["", "v1", "v2:AAAA:AAAA", "v1:#:#"])
def test_other_forms_are_told(form: str):
    with pytest.raises(SecretUnreadable, match="form"):
        CIPHER.open("acme", "key", SealedSecret("old", form))


def test_a_new_master_key_takes_over_and_the_old_one_can_go():
    sealed = CIPHER.seal("acme", "key", "value")
    both = EnvelopeCipher(GivenKeyring([NEW, OLD]))
    both.renew()
    anew = both.reseal("acme", "key", sealed)
    assert anew.key_id == "new"
    assert anew.sealed.split(":")[2] == sealed.sealed.split(":")[2], "the value itself stays as it is"
    alone = EnvelopeCipher(GivenKeyring([NEW]))
    assert alone.open("acme", "key", anew) == "value"
    with pytest.raises(SecretUnreadable, match="master key old"):
        alone.open("acme", "key", sealed)
    with pytest.raises(SecretUnreadable):
        alone.open("acme", "key", replace(anew, key_id="old"))

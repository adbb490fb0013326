"""Who may come in."""

import pytest

from ripieno.domain.errors import Invalid, Unauthenticated
from ripieno.domain.principals import DEFAULT_TENANT, Principal
from ripieno.governance.access import ADMIN, LOCAL, Mode, StaticAccess, is_loopback, refuse_insecure

LOOPBACK = ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost", "LOCALHOST.", "api.localhost"]
ELSEWHERE = [
    "0.0.0.0",
    "::",
    "",
    "192.168.1.2",
    "example.org",
    "localhost.example.org",
    "127.0.0.1.nip.io",
    "2130706433",
]


@pytest.mark.parametrize("host", LOOPBACK)
def test_loopback_names(host: str):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ELSEWHERE)
def test_names_that_others_can_have(host: str):
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("host", "mode", "has_key"),
    [
        ("127.0.0.1", "auto", False),
        ("0.0.0.0", "auto", True),
        ("0.0.0.0", "off", False),
        ("127.0.0.1", "key", True),
    ],
)
def test_what_may_be_bound(host: str, mode: Mode, has_key: bool):
    refuse_insecure(host, mode, has_key=has_key)


@pytest.mark.parametrize(
    ("host", "mode", "why"),
    [("0.0.0.0", "auto", "other machines"), ("example.org", "auto", "other machines"), ("::1", "key", "mode is key")],
)
def test_what_may_not_be_bound_without_a_key(host: str, mode: Mode, why: str):
    with pytest.raises(Invalid, match=why) as caught:
        refuse_insecure(host, mode, has_key=False)
    assert [problem.pointer for problem in caught.value.problems] == ["/auth/admin_key"]


@pytest.mark.parametrize(
    ("host", "mode", "is_open", "is_local"),
    [
        ("127.0.0.1", "auto", True, True),
        ("0.0.0.0", "auto", False, False),
        ("127.0.0.1", "key", False, False),
        ("0.0.0.0", "off", True, False),
        ("127.0.0.1", "off", True, False),
    ],
)
def test_when_nobody_is_asked(host: str, mode: Mode, is_open: bool, is_local: bool):
    access = StaticAccess(host, mode, "secret")
    assert (access.open, access.local) == (is_open, is_local)


def test_the_key_makes_an_admin():
    assert StaticAccess("0.0.0.0", "auto", "sécret").principal("sécret") == ADMIN
    assert StaticAccess("127.0.0.1", "auto", "secret").principal("secret") == ADMIN


def test_without_a_key_everybody_on_this_machine_is_local():
    assert StaticAccess("127.0.0.1", "auto", None).principal(None) == LOCAL
    assert StaticAccess("127.0.0.1", "auto", None).principal("whatever") == LOCAL
    assert StaticAccess("127.0.0.1", "auto", "secret").principal(None) == LOCAL


@pytest.mark.parametrize("credential", [None, "", "wrong", "secret ", "Secret", "\udcff"])
def test_the_wrong_key_is_refused(credential: str | None):
    with pytest.raises(Unauthenticated):
        StaticAccess("0.0.0.0", "key", "secret").principal(credential)


def test_a_wrong_key_is_refused_also_where_none_is_needed():
    with pytest.raises(Unauthenticated):
        StaticAccess("127.0.0.1", "auto", "secret").principal("wrong")


@pytest.mark.parametrize("credential", [None, "any"])
def test_an_instance_that_needs_a_key_and_has_none_lets_nobody_in(credential: str | None):
    with pytest.raises(Unauthenticated):
        StaticAccess("0.0.0.0", "auto", None).principal(credential)


DANA = Principal("dana", DEFAULT_TENANT, ("finance",))
OTTO = Principal("otto", "other", ("legal",))


def test_everybody_has_a_key():
    access = StaticAccess("127.0.0.1", "auto", "admin-key", {"dana-key": DANA, "otto-key": OTTO})
    keys = ["dana-key", "otto-key", "admin-key", None]
    assert [access.principal(key) for key in keys] == [DANA, OTTO, ADMIN, LOCAL]
    with pytest.raises(Unauthenticated):
        access.principal("dana-ke")


def test_a_question_is_put_to_somebody_who_is_there():
    access = StaticAccess("0.0.0.0", "key", None, {"dana-key": DANA, "otto-key": OTTO})
    access.must_know(["dana", "role:finance"], DEFAULT_TENANT)
    with pytest.raises(Invalid, match=r"nobody here is dan; did you mean dana\?") as refused:
        access.must_know(["dana", "dan", "otto"], DEFAULT_TENANT)
    assert [problem.detail for problem in refused.value.problems][1:] == ["nobody here is otto"]
    with pytest.raises(Invalid):
        access.must_know(["local"], DEFAULT_TENANT)


def test_who_needs_no_key_can_be_asked():
    StaticAccess("127.0.0.1", "auto", None).must_know(["local", "role:admin"], DEFAULT_TENANT)

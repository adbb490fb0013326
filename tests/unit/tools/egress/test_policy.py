import httpx2
import pytest

from ripieno.domain.errors import Denied, Invalid
from ripieno.tools.egress.backend import GuardedBackend, system_resolve
from ripieno.tools.egress.names import normal
from ripieno.tools.egress.policy import EgressDecision, EgressDenied, EgressPolicy


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("ok.test", True),
        ("OK.test.", True),
        ("deep.ok.test", True),
        ("evilok.test", False),
        ("ok.test.evil.test", False),
        ("exact.test", True),
        ("sub.exact.test", False),
        ("bücher.test", True),
        ("xn--bcher-kva.test", True),
        ("bad.ok.test", False),
        ("other.test", False),
    ],
)
def test_domains(host: str, allowed: bool):
    policy = EgressPolicy(allow_domains=(".ok.test", "exact.test", "Bücher.test"), deny_domains=("bad.ok.test",))
    assert (policy.objection(host, 443) is None) is allowed


def test_no_list_allows_any_name_and_an_empty_one_none():
    assert EgressPolicy().objection("any.test", 80) is None
    assert EgressPolicy(allow_domains=()).objection("any.test", 80)


def test_ports():
    assert EgressPolicy().objection("any.test", 22) == "port 22 is not allowed"
    assert EgressPolicy(allow_ports=None).objection("any.test", 22) is None


@pytest.mark.parametrize(
    ("url", "trusted"),
    [
        ("http://127.0.0.1:9000/path?q=1", True),
        ("https://127.0.0.1:9000/", False),
        ("http://127.0.0.1:9001/", False),
        ("http://127.0.0.1/", False),
        ("http://127.0.0.2:9000/", False),
        ("https://api.test/v1", True),
        ("https://API.test:443/v1", True),
        ("https://api.test:444/v1", False),
        ("https://api.test.evil.test/", False),
        ("http://[::1]:8080/", True),
        ("ftp://api.test/", False),
    ],
)
def test_origins_are_exact(url: str, trusted: bool):
    policy = EgressPolicy(allow_origins=("http://127.0.0.1:9000", "https://api.test/", "http://[::1]:8080"))
    assert policy.trusts(httpx2.URL(url)) is trusted


@pytest.mark.parametrize(
    "origin", ["", "127.0.0.1", "ftp://a.test", "https://a.test/path", "https://u:p@a.test", "http://", "http://["]
)
def test_what_is_no_origin_is_refused(origin: str):
    with pytest.raises(Invalid, match="is not an origin"):
        EgressPolicy(allow_origins=(origin,))


def test_name_that_idna_cannot_spell_stays_as_it_is():
    assert normal("ä" * 80) == "ä" * 80


def test_a_denial_is_both_a_denial_and_a_failed_connection():
    error = EgressDenied("no")
    assert isinstance(error, Denied)
    assert isinstance(error, httpx2.ConnectError)
    assert (str(error), error.detail, error.code) == ("no", "no", "egress_denied")


async def test_unix_sockets_are_denied():
    seen: list[EgressDecision] = []
    with pytest.raises(EgressDenied, match="unix sockets"):
        await GuardedBackend(EgressPolicy(), system_resolve, seen.append).connect_unix_socket("/run/docker.sock")
    assert [decision.allowed for decision in seen] == [False]

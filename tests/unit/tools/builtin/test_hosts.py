import asyncio

import pytest

from ripieno.tools.builtin import hosts
from ripieno.tools.failures import ToolFailed


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (" example.org ", "example.org"),
        ("example.org.", "example.org"),
        ("_dmarc.example.org", "_dmarc.example.org"),
        ("localhost", "localhost"),
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]", "::1"),
        ("bücher.example", "xn--bcher-kva.example"),
    ],
)
def test_names(text: str, name: str):
    assert hosts.check_name(text) == name


@pytest.mark.parametrize(
    "text",
    [
        *("", "-c", "--help", "a b", "a;id", "$(id)", "`id`", "a|b", "a/b", "http://example.org", "a..b", ".a"),
        *("a-.b", "x" * 64, ".".join(["abcdefgh"] * 40), "a\nb", "a\n", "ü" * 300, "a%b", "user@host", "host:80"),
    ],
)
def test_what_is_no_name_is_refused(text: str):
    if text == "a\n":  # white space around a name is forgiven
        assert hosts.check_name(text) == "a"
        return
    with pytest.raises(ToolFailed, match="not a host name"):
        hosts.check_name(text)


@pytest.mark.parametrize(
    "text",
    [
        *("169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254"),
        *("::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "fe80::a9fe:a9fe%eth0"),
    ],
)
def test_metadata_services_are_known_in_all_spellings(text: str):
    assert hosts.is_metadata(text) is not text.startswith("fe80")


@pytest.mark.parametrize("text", ["127.0.0.1", "10.0.0.1", "::1", "192.168.1.1", "8.8.8.8", "name"])
def test_private_addresses_are_no_metadata(text: str):
    assert not hosts.is_metadata(text)


@pytest.mark.parametrize("text", ["169.254.169.254", "2852039166", "0xa9fea9fe", "[::ffff:a9fe:a9fe]"])
async def test_metadata_services_are_never_found(text: str):
    with pytest.raises(ToolFailed, match="metadata"):
        await hosts.find(text)


async def test_this_machine_is_found():
    found = await hosts.find("localhost")
    assert found.address in {"127.0.0.1", "::1"}
    assert str(found) == f"localhost ({found.address})"
    assert str(await hosts.find("127.0.0.1")) == "127.0.0.1"


async def test_unknown_name_is_told():
    with pytest.raises(ToolFailed, match=r"no-such-host\.invalid has no address|no name server answered"):
        await hosts.find("no-such-host.invalid")


@pytest.mark.parametrize(
    ("failure", "reason"), [(TimeoutError(), "no name server answered"), (OSError(5, "x"), "cannot be looked up")]
)
async def test_name_servers_that_fail(monkeypatch: pytest.MonkeyPatch, failure: OSError, reason: str):
    async def fail(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", fail)
    with pytest.raises(ToolFailed, match=reason):
        await hosts.find("shop.test")

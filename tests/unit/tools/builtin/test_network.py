import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ripieno.domain.tools import ToolCall, ToolContext, ToolResult, ToolStatus
from ripieno.tools.builtin import names, network
from ripieno.tools.failures import ToolFailed
from ripieno.tools.functions import FunctionToolset


async def call(tool: str, **arguments: object) -> ToolResult:
    toolset = FunctionToolset("net", [network.ping, network.port, network.traceroute, names.dns])
    return await toolset.call(ToolCall("1", f"net.{tool}", arguments), ToolContext("default", Path("unused")))


async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


@pytest.fixture
async def listener() -> AsyncIterator[int]:
    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_open_port(listener: int):
    result = await call("port", host="127.0.0.1", port=listener)
    assert result.text.startswith(f"port {listener} of 127.0.0.1 is open")
    assert result.data["state"] == "open"


async def test_closed_port():
    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    result = await call("port", host="127.0.0.1", port=port)
    assert (result.status, result.data["state"]) == (ToolStatus.OK, "closed")
    assert result.text.startswith("warning: ")


async def test_port_numbers_are_checked():
    assert (await call("port", host="127.0.0.1", port=65536)).status is ToolStatus.INVALID_ARGUMENTS
    assert (await call("ping", host="127.0.0.1", count=1000)).status is ToolStatus.INVALID_ARGUMENTS


@pytest.mark.parametrize("tool", ["port", "ping", "traceroute"])
async def test_metadata_services_are_not_probed(tool: str):
    result = await call(tool, host="169.254.169.254", **({"port": 80} if tool == "port" else {}))
    assert result.status in {ToolStatus.ERROR, ToolStatus.UNAVAILABLE}
    assert "metadata" in result.text or "not installed" in result.text


@pytest.mark.parametrize(("tool", "package"), [("ping", "iputils-ping"), ("traceroute", "traceroute")])
async def test_missing_programs_are_unavailable(monkeypatch: pytest.MonkeyPatch, tool: str, package: str):
    monkeypatch.setenv("PATH", "")
    result = await call(tool, host="127.0.0.1")
    assert result.status is ToolStatus.UNAVAILABLE
    assert result.hint == f"apt-get install {package}"


def put_program(folder: Path, name: str, says: str) -> None:
    """A program that prints something, whatever it is asked."""
    program = folder / name
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{says}\nEND\n")
    program.chmod(0o755)


async def test_what_the_programs_print_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    put_program(tmp_path, "ping", PING.format(received=4, lost=0, times=""))
    assert (await call("ping", host="127.0.0.1")).text == "127.0.0.1 answered 4 of 4 pings, 0 % packet loss"
    put_program(tmp_path, "traceroute", " 1  127.0.0.1  0.1 ms")
    assert (await call("traceroute", host="127.0.0.1")).text.startswith("127.0.0.1 is 1 hop away")


async def test_dns_checks_the_name_before_it_asks():
    assert (await call("dns", name="--help")).status is ToolStatus.ERROR
    assert (await call("dns", name="example.org", type="ANY")).status is ToolStatus.INVALID_ARGUMENTS


async def test_without_dnspython_it_is_unavailable(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(sys.modules, "ripieno.tools.builtin.dns_records", raising=False)
    monkeypatch.delattr("ripieno.tools.builtin.dns_records", raising=False)
    monkeypatch.setitem(sys.modules, "dns", None)
    result = await call("dns", name="example.org")
    assert (result.status, result.hint) == (ToolStatus.UNAVAILABLE, "pip install 'ripieno[it]'")


@pytest.mark.parametrize("failure", [TimeoutError(), OSError(101, "Network is unreachable")])
async def test_ports_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch, failure: OSError):
    async def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(asyncio, "open_connection", fail)
    result = await call("port", host="127.0.0.1", port=80)
    assert result.data["state"] == ("filtered" if isinstance(failure, TimeoutError) else "unreachable")
    assert result.text.startswith("warning: ")


@pytest.mark.needs("ping")
async def test_ping_this_machine():
    result = await call("ping", host="127.0.0.1", count=1)
    assert result.ok or "may not be used" in result.text
    assert not result.ok or result.data["sent"] == 1


PING = """PING 192.0.2.1 (192.0.2.1) 56(84) bytes of data.

--- 192.0.2.1 ping statistics ---
4 packets transmitted, {received} received, {lost}% packet loss, time 3050ms
{times}
"""


def test_answers_are_told():
    output = PING.format(received=4, lost=0, times="rtt min/avg/max/mdev = 11.032/12.250/14.003/1.2 ms")
    result = network.pinged("192.0.2.1", output, "")
    assert result.text == ("192.0.2.1 answered 4 of 4 pings, 0 % packet loss, 12.2 ms on average (11.0 to 14.0 ms)")
    assert result.data["average_ms"] == 12.25


def test_busybox_answers_are_told():
    output = "4 packets transmitted, 4 packets received, 0% packet loss\nround-trip min/avg/max = 0.1/0.2/0.3 ms"
    assert network.pinged("h", output, "").data["maximum_ms"] == 0.3


@pytest.mark.parametrize(("received", "average"), [(3, 12.0), (4, 900.0)])
def test_loss_and_slowness_are_warnings(received: int, average: float):
    output = PING.format(received=received, lost=25, times=f"rtt min/avg/max/mdev = 1.0/{average}/2000.0/1.2 ms")
    assert network.pinged("h", output, "").text.startswith(f"warning: h answered {received} of 4 pings")


def test_silence_is_a_warning():
    result = network.pinged("h", PING.format(received=0, lost=100, times=""), "")
    assert (result.status, result.text) == (ToolStatus.OK, "warning: h is unreachable: no answer to 4 pings")


@pytest.mark.parametrize(("errors", "text"), [("socket: Operation not permitted", "may not be used"), ("", "network")])
def test_ping_that_cannot_send(errors: str, text: str):
    with pytest.raises(ToolFailed, match=text):
        network.pinged("h", "", errors)


ROUTE = """traceroute to example.test (192.0.2.9), 20 hops max, 60 byte packets
 1  10.0.0.1  0.412 ms
 2  *
 3  {last}
"""


def test_route_that_arrives():
    result = network.traced("example.test", "192.0.2.9", ROUTE.format(last="192.0.2.9  9.1 ms"))
    assert result.text.splitlines() == [
        "example.test is 3 hops away",
        "1 hop did not answer, which is common for routers",
        "hop 1: 10.0.0.1 0.4 ms",
        "hop 2: no answer",
        "hop 3: 192.0.2.9 9.1 ms",
    ]


def test_route_that_ends_early():
    result = network.traced("example.test", "192.0.2.9", ROUTE.format(last="*"))
    assert result.text.startswith("warning: the way to example.test ends before it; the last hop that answered is 10.0")
    assert result.data["arrived"] is False


def test_no_route():
    with pytest.raises(ToolFailed, match="cannot be traced"):
        network.traced("h", "192.0.2.9", "connect: Network is unreachable")

"""The toolset `net`, first part: is a host there, and on which way. Programs do what needs raw sockets."""

import asyncio
import re
from typing import Annotated

from pydantic import Field

from ripieno.domain.effects import EffectClass
from ripieno.domain.jsons import JsonObject
from ripieno.domain.tools import ToolResult
from ripieno.tools.builtin import hosts, programs
from ripieno.tools.builtin.programs import Limits, Program
from ripieno.tools.builtin.wording import counted, report
from ripieno.tools.failures import ToolFailed
from ripieno.tools.functions import tool

PING = Program("ping", "apt-get install iputils-ping")
TRACEROUTE = Program("traceroute", "apt-get install traceroute")

CONNECT_SECONDS = 5.0
MOST_HOPS = 20
SLOW_MS = 200.0

_SENT = re.compile(r"(\d+) packets transmitted, (\d+) (?:packets )?received")
_TIMES = re.compile(r"min/avg/max\S* = ([\d.]+)/([\d.]+)/([\d.]+)")
_HOP = re.compile(r"^\s*(\d+)\s+(?:(\S+)\s+([\d.]+) ms|\*)(.*)$", re.MULTILINE)

Port = Annotated[int, Field(ge=1, le=65535)]


@tool(effect=EffectClass.READ, timeout=40, keywords=("ping", "reachable", "latency", "packet loss", "host up"))
async def ping(host: str, count: Annotated[int, Field(ge=1, le=10)] = 4) -> ToolResult:
    """Ping a host: whether it answers, how fast, and how many packets are lost.

    Args:
        host: A host name or an IP address.
        count: How many packets to send, 1 to 10.
    """
    PING.find()
    found = await hosts.find(host)
    arguments = ["-n", "-c", str(count), "-w", str(count + 8), found.address]
    finished = await programs.run(PING, arguments, Limits(count + 15))
    return pinged(str(found), finished.output, finished.errors)


def pinged(host: str, output: str, errors: str) -> ToolResult:
    """Read what ping printed.

    Raises:
        ToolFailed: It could not send.
    """
    sent = _SENT.search(output)
    if sent is None:
        if "not permitted" in errors:
            raise ToolFailed("ping may not be used here.", "setcap cap_net_raw+ep $(command -v ping)")
        raise ToolFailed(f"warning: {host} cannot be pinged: the network is unreachable from here.")
    total, received = int(sent[1]), int(sent[2])
    data: JsonObject = {"host": host, "sent": total, "received": received, "average_ms": None}
    if not received:
        return report([f"warning: {host} is unreachable: no answer to {counted(total, 'ping')}"], data)
    lost = round(100 * (total - received) / total)
    line = f"{host} answered {received} of {counted(total, 'ping')}, {lost} % packet loss"
    times = _TIMES.search(output)
    if times:
        data |= {"minimum_ms": float(times[1]), "average_ms": float(times[2]), "maximum_ms": float(times[3])}
        line += f", {float(times[2]):.1f} ms on average ({float(times[1]):.1f} to {float(times[3]):.1f} ms)"
    slow = bool(times) and float(data["average_ms"]) > SLOW_MS
    return report([f"warning: {line}" if lost or slow else line], data)


@tool(effect=EffectClass.READ, timeout=15, keywords=("port", "port open", "tcp", "listening", "connect", "firewall"))
async def port(host: str, port: Port) -> ToolResult:
    """Check whether a TCP port of a host is open.

    Args:
        host: A host name or an IP address.
        port: The TCP port, 1 to 65535.
    """
    found = await hosts.find(host)
    loop = asyncio.get_running_loop()
    started = loop.time()
    state, text = "open", ""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(found.address, port)
        writer.close()
        text = f"port {port} of {found} is open (connected in {1000 * (loop.time() - started):.1f} ms)"
    except ConnectionRefusedError:
        state, text = "closed", f"warning: port {port} of {found} is closed: the connection was refused"
    except TimeoutError:
        state = "filtered"
        text = f"warning: port {port} of {found} did not answer within {CONNECT_SECONDS:g} s; a firewall may drop it"
    except OSError:
        state, text = "unreachable", f"warning: port {port} of {found} cannot be reached from here"
    return report([text], {"host": found.name, "address": found.address, "port": port, "state": state})


@tool(effect=EffectClass.READ, timeout=90, keywords=("traceroute", "trace", "route", "hops", "path to host"))
async def traceroute(host: str) -> ToolResult:
    """Trace the way to a host, hop by hop, with the time to each.

    Args:
        host: A host name or an IP address.
    """
    TRACEROUTE.find()
    found = await hosts.find(host)
    arguments = ["-n", "-q", "1", "-w", "2", "-m", str(MOST_HOPS), found.address]
    finished = await programs.run(TRACEROUTE, arguments, Limits(60))
    return traced(str(found), found.address, finished.output)


def traced(host: str, address: str, output: str) -> ToolResult:
    """Read what traceroute printed.

    Raises:
        ToolFailed: It could not send.
    """
    hops: list[JsonObject] = [
        {"hop": int(number), "address": hop or None, "ms": float(ms) if ms else None}
        for number, hop, ms, _ in _HOP.findall(output)
    ]
    if not hops:
        raise ToolFailed(f"warning: the way to {host} cannot be traced: the network is unreachable from here.")
    arrived = hops[-1]["address"] == address
    silent = sum(hop["address"] is None for hop in hops)
    head = f"{host} is {counted(len(hops), 'hop')} away"
    if not arrived:
        last = next((hop["address"] for hop in reversed(hops) if hop["address"]), None)
        head = f"warning: the way to {host} ends before it; the last hop that answered is {last or 'none'}"
    lines = [
        f"hop {hop['hop']}: {hop['address']} {hop['ms']:.1f} ms" if hop["address"] else f"hop {hop['hop']}: no answer"
        for hop in hops
    ]
    note = f"{counted(silent, 'hop')} did not answer, which is common for routers" if silent and arrived else ""
    return report([head, note, *lines], {"host": host, "arrived": arrived, "hops": hops})

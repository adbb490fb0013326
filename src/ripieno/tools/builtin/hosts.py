"""Names and addresses of hosts, as the network tools accept them.

Operators use these tools on their own machines, so private addresses are allowed. What is never allowed are the
metadata services of clouds, which hand out credentials.
"""

import asyncio
import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import TypeAlias

from ripieno.tools.failures import ToolFailed

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}\.?$){_LABEL}(?:\.{_LABEL})*\.?")
_SECONDS = 5.0

_METADATA_NETWORKS = (ipaddress.ip_network("169.254.0.0/16"), ipaddress.ip_network("fd00:ec2::/32"))
_METADATA = {ipaddress.ip_address(each) for each in ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd20:ce::254")}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Host:
    """A host as it was asked for, and the address to use: looked up once, so that it cannot change after the check."""

    name: str
    address: str

    def __str__(self) -> str:
        return self.name if self.name == self.address else f"{self.name} ({self.address})"


def check_name(text: str) -> str:
    """A host name or address, if it looks like one.

    Raises:
        ToolFailed: It does not.
    """
    name = text.strip()
    literal = _literal(name.strip("[]"))
    if literal is not None:
        return str(literal)
    try:
        name = name if name.isascii() else name.encode("idna").decode()
    except UnicodeError:
        name = ""
    if not _NAME.fullmatch(name):
        raise ToolFailed("That is not a host name or address.", "Give a name such as example.org, without a path.")
    return name.rstrip(".")


async def find(text: str) -> Host:
    """Look a host up, over IPv4 first.

    Raises:
        ToolFailed: It is not a host name, has no address, or is a metadata service.
    """
    name = check_name(text)
    try:
        async with asyncio.timeout(_SECONDS):
            found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        raise ToolFailed(f"warning: {name} has no address: the name is not known here.") from None
    except TimeoutError:
        raise ToolFailed(f"warning: no name server answered for {name} within {_SECONDS:g} s.") from None
    except OSError:
        raise ToolFailed(f"{name} cannot be looked up.") from None
    addresses = sorted({str(answer[4][0]) for answer in found}, key=lambda each: (":" in each, each))
    if not addresses or any(is_metadata(each) for each in addresses):
        raise ToolFailed(f"{name} is the metadata service of a cloud; it is never contacted.")
    return Host(name, addresses[0])


def is_metadata(text: str) -> bool:
    """Whether an address reaches a cloud's metadata service, also when it is written as another kind of address."""
    address = _literal(text)
    if address is None:
        return False
    forms = [address]
    if isinstance(address, ipaddress.IPv6Address):
        forms += [each for each in (address.ipv4_mapped, address.sixtofour, _behind_nat64(address)) if each]
    return any(form in _METADATA or any(form in network for network in _METADATA_NETWORKS) for form in forms)


def _behind_nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None


def _literal(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None

"""Which IP addresses are the public internet.

An address that is not may reach this machine, its neighbours or a cloud's metadata service. IPv6 addresses that carry
an IPv4 address inside are judged by both.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_CLOSED_4 = tuple(
    IPv4Network(network)
    for network in (
        "168.63.129.16/32",  # Azure's metadata and DNS, in public space
        "192.0.0.0/24",  # protocol assignments, among them Oracle's metadata
        "192.88.99.0/24",  # relays from IPv6, withdrawn (RFC 7526)
    )
)
_UNICAST_6 = IPv6Network("2000::/3")
_CLOSED_6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments, among them Teredo
        "3fff::/20",  # documentation (RFC 9637)
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")
_ISATAP = frozenset({0x00005EFE, 0x02005EFE})  # RFC 5214: the interface identifier before the IPv4 address


def is_public(address: str) -> bool:
    """Whether an address, as text and perhaps with a zone, is on the public internet. What is no address is not."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, IPv4Address):
        return _is_public_4(parsed)
    return _is_public_6(parsed)


def _is_public_4(address: IPv4Address) -> bool:
    if not address.is_global or address.is_multicast:
        return False
    return not any(address in network for network in _CLOSED_4)


def _is_public_6(address: IPv6Address) -> bool:
    if address.ipv4_mapped is not None:
        return _is_public_4(address.ipv4_mapped)
    last = IPv4Address(int(address) & 0xFFFF_FFFF)
    if address in _NAT64:
        return _is_public_4(last)
    if address not in _UNICAST_6 or not address.is_global or any(address in network for network in _CLOSED_6):
        return False
    if address.sixtofour is not None and not _is_public_4(address.sixtofour):
        return False
    is_isatap = (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP
    return _is_public_4(last) if is_isatap else True

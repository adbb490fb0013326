"""The toolset `net`, second part: what name servers say."""

from typing import Literal, TypeAlias

from ripieno.domain.effects import EffectClass
from ripieno.domain.tools import ToolResult
from ripieno.tools.failures import ToolMissing
from ripieno.tools.functions import tool

RecordType: TypeAlias = Literal["A", "AAAA", "CNAME", "MX", "NS", "TXT", "SOA", "SRV", "CAA", "PTR"]


@tool(
    effect=EffectClass.READ,
    timeout=20,
    keywords=("dns", "resolve", "lookup", "name server", "mx record", "domain", "nslookup", "dig"),
)
async def dns(name: str, type: RecordType = "A") -> ToolResult:  # noqa: A002 - the word that everybody uses for it
    """Look up the DNS records of a domain name; PTR takes an address.

    Args:
        name: A domain name, or an IP address with the type PTR.
        type: The type of record.
    """
    try:
        from ripieno.tools.builtin import dns_records  # noqa: PLC0415 - needs an optional library
    except ImportError:
        raise ToolMissing("The library dnspython is not installed.", "pip install 'ripieno[it]'") from None
    return await dns_records.look_up(name, type)

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import pytest
from dns import message, rcode, rrset
from dns.asyncresolver import Resolver

from ripieno.domain.tools import ToolResult
from ripieno.tools.builtin import dns_records
from ripieno.tools.failures import ToolFailed

ANSWERS = {
    ("shop.test.", "A"): ["192.0.2.2", "192.0.2.1"],
    ("shop.test.", "MX"): ["10 mail.shop.test."],
    ("9.2.0.192.in-addr.arpa.", "PTR"): ["shop.test."],
}


class NameServer(asyncio.DatagramProtocol):
    """Answers from ANSWERS; fails for broken.test, knows nothing else."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = message.from_wire(data)
        question = query.question[0]
        name, kind = question.name.to_text(), question.to_text().split()[-1]
        reply = message.make_response(query)
        records = ANSWERS.get((name, kind))
        if records:
            reply.answer.append(rrset.from_text(name, 300, "IN", kind, *records))
        elif name == "broken.test.":
            reply.set_rcode(rcode.SERVFAIL)
        elif name != "shop.test.":
            reply.set_rcode(rcode.NXDOMAIN)
        self.transport.sendto(reply.to_wire(), addr)


@pytest.fixture
async def resolver() -> AsyncIterator[Resolver]:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(NameServer, local_addr=("127.0.0.1", 0))
    resolver = Resolver(configure=False)
    resolver.nameservers = ["127.0.0.1"]
    resolver.port = transport.get_extra_info("sockname")[1]
    yield resolver
    transport.close()


async def told(resolver: Resolver, name: str, kind: str) -> ToolResult:
    return await dns_records.look_up(name, kind, resolver)


async def test_records_are_listed_in_order(resolver: Resolver):
    result = await told(resolver, "shop.test", "A")
    assert result.text.splitlines() == [
        "shop.test has 2 A records, valid for 300 seconds",
        "shop.test A 192.0.2.1",
        "shop.test A 192.0.2.2",
    ]
    assert result.data["records"] == ["192.0.2.1", "192.0.2.2"]


async def test_addresses_are_looked_up_backwards(resolver: Resolver):
    assert (await told(resolver, "192.0.2.9", "PTR")).data["records"] == ["shop.test."]
    assert (await told(resolver, "shop.test", "MX")).data["records"] == ["10 mail.shop.test."]


async def test_no_such_record_is_no_failure(resolver: Resolver):
    assert (await told(resolver, "shop.test", "AAAA")).text == "shop.test exists but has no AAAA record"


@pytest.mark.parametrize(
    ("name", "reason"), [("nowhere.test", "does not exist"), ("broken.test", "no name server"), ("-x", "not a host")]
)
async def test_failures_are_told(resolver: Resolver, name: str, reason: str):
    with pytest.raises(ToolFailed, match=reason):
        await told(resolver, name, "A")

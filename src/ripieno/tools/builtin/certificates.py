"""The toolset `net`, third part: the certificate that a TLS server shows, trusted or not."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ripieno.domain.effects import EffectClass
from ripieno.domain.tools import ToolResult
from ripieno.ports import Clock
from ripieno.tools.builtin import hosts
from ripieno.tools.builtin.hosts import Host
from ripieno.tools.builtin.wording import listed, report
from ripieno.tools.failures import ToolFailed, ToolMissing
from ripieno.tools.functions import tool

if TYPE_CHECKING:
    from ripieno.tools.builtin.x509_facts import Facts

CONNECT_SECONDS = 8.0
SOON_DAYS = 30
OLD_PROTOCOLS = {"SSLv3", "TLSv1", "TLSv1.1"}
MOST_NAMES = 12


@dataclass(frozen=True, slots=True)
class Shown:
    """What a server showed: its certificate (DER), the protocol agreed on, and why it is not trusted, if so."""

    der: bytes
    protocol: str
    distrust: str = ""


def tls_tool(clock: Clock) -> Callable[..., Awaitable[ToolResult]]:
    """`tls`."""

    @tool(
        effect=EffectClass.READ,
        timeout=30,
        keywords=("tls", "ssl", "certificate", "certificate expiry", "https certificate", "expire"),
    )
    async def tls(host: str, port: Annotated[int, Field(ge=1, le=65535)] = 443) -> ToolResult:
        """Check the TLS certificate of a server: issuer, names, when it expires, and whether it is trusted.

        Args:
            host: A host name or an IP address.
            port: The TCP port; 443 unless the server uses another.
        """
        try:
            from ripieno.tools.builtin import x509_facts  # noqa: PLC0415 - needs a library that is slow to import
        except ImportError:
            raise ToolMissing("The library cryptography is not installed.", "pip install cryptography") from None
        found = await hosts.find(host)
        shown = await _ask(found, port)
        try:
            facts = x509_facts.read(shown.der)
        except ValueError:
            raise ToolFailed(f"warning: {found} shows a certificate that cannot be read.") from None
        return told(f"{found.name}:{port}", shown, facts, clock.now())

    return tls


async def _ask(host: Host, port: int) -> Shown:
    """Connect as a browser would; when the certificate is not trusted, look at it all the same."""
    try:
        return await _shake_hands(host, port, ssl.create_default_context(), "")
    except ssl.SSLCertVerificationError as error:
        lenient = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        lenient.check_hostname = False
        lenient.verify_mode = ssl.CERT_NONE
        return await _shake_hands(host, port, lenient, error.verify_message or "it cannot be verified")


async def _shake_hands(host: Host, port: int, context: ssl.SSLContext, distrust: str) -> Shown:
    where = f"{host.name}:{port}"
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(host.address, port, ssl=context, server_hostname=host.name)
    except ssl.SSLCertVerificationError:
        raise
    except TimeoutError:
        raise ToolFailed(f"warning: {where} did not answer within {CONNECT_SECONDS:g} s.") from None
    except ConnectionRefusedError:
        raise ToolFailed(f"warning: {where} refused the connection.") from None
    except ssl.SSLError:
        raise ToolFailed(f"warning: {where} answers, but not with TLS that can be used.") from None
    except OSError:
        raise ToolFailed(f"warning: {where} cannot be reached, or it closed the connection.") from None
    secured = writer.get_extra_info("ssl_object")
    shown = Shown(secured.getpeercert(binary_form=True) or b"", secured.version() or "unknown", distrust)
    writer.transport.abort()
    return shown


def told(where: str, shown: Shown, facts: "Facts", now: datetime) -> ToolResult:
    """What is worth knowing of a certificate, with the problems first."""
    days = (facts.ends - now).days
    lines = [
        f"warning: the certificate of {where} is not trusted: {shown.distrust}" if shown.distrust else "",
        _ending(where, days, facts.ends),
        f"warning: the certificate of {where} is not valid before {facts.begins:%Y-%m-%d}"
        if facts.begins > now
        else "",
        f"warning: {where} uses the outdated protocol {shown.protocol}" if shown.protocol in OLD_PROTOCOLS else "",
        f"{where} speaks {shown.protocol}",
        f"issued to {facts.subject} by {facts.issuer}" + (" (itself)" if facts.self_issued else ""),
        f"valid for the names {listed(facts.names, MOST_NAMES) or 'none'}",
    ]
    data = {
        "host": where,
        "trusted": not shown.distrust,
        "problem": shown.distrust or None,
        "protocol": shown.protocol,
        "subject": facts.subject,
        "issuer": facts.issuer,
        "names": list(facts.names),
        "not_before": facts.begins.isoformat(),
        "not_after": facts.ends.isoformat(),
        "days_left": days,
    }
    return report(lines, data)


def _ending(where: str, days: int, ends: datetime) -> str:
    if days < 0:
        return f"warning: the certificate of {where} expired on {ends:%Y-%m-%d}, {-days} days ago"
    line = f"the certificate of {where} expires on {ends:%Y-%m-%d}, in {days} days"
    return f"warning: {line}" if days < SOON_DAYS else line

"""Asks name servers. Needs dnspython, so that only `names` imports it, and late."""

from collections.abc import Sequence

from dns import exception, reversename
from dns import resolver as resolving
from dns.asyncresolver import Resolver

from ripieno.domain.jsons import JsonObject
from ripieno.domain.tools import ToolResult
from ripieno.tools.builtin import hosts
from ripieno.tools.builtin.wording import counted, report
from ripieno.tools.failures import ToolFailed

LOOKUP_SECONDS = 6.0
MOST_RECORDS = 50


async def look_up(name: str, kind: str, resolver: Resolver | None = None) -> ToolResult:
    """Ask the name servers of this machine, or those that a resolver knows.

    Raises:
        ToolFailed: The name is none, does not exist, or no server answers.
    """
    checked = hosts.check_name(name)
    target = reversename.from_address(checked).to_text() if kind == "PTR" and _is_address(checked) else checked
    try:
        asked = resolver or Resolver()
        answer = await asked.resolve(target, kind, lifetime=LOOKUP_SECONDS, search=False)
    except resolving.NXDOMAIN:
        raise ToolFailed(f"warning: {checked} does not exist (NXDOMAIN).") from None
    except resolving.NoAnswer:
        nothing: JsonObject = {"name": checked, "type": kind, "records": []}
        return report([f"{checked} exists but has no {kind} record"], nothing)
    except (resolving.NoNameservers, exception.Timeout):
        raise ToolFailed(f"warning: no name server gave an answer for {checked}.") from None
    except exception.DNSException:
        raise ToolFailed(f"{checked} cannot be looked up as {kind}.") from None
    ttl = answer.rrset.ttl if answer.rrset is not None else 0
    return _told(checked, kind, sorted(record.to_text() for record in answer), ttl)


def _told(name: str, kind: str, records: Sequence[str], ttl: int) -> ToolResult:
    head = f"{name} has {counted(len(records), f'{kind} record')}, valid for {counted(ttl, 'second')}"
    shown = list(records[:MOST_RECORDS])
    return report(
        [head, *(f"{name} {kind} {record}" for record in shown)],
        {"name": name, "type": kind, "records": shown, "ttl": ttl},
    )


def _is_address(text: str) -> bool:
    return ":" in text or text.replace(".", "").isdigit()

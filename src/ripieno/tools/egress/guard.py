"""The only way to an HTTP client.

async with guarded_client(EgressPolicy()) as client:
    await prove(client)
    await client.get("https://example.com/")
"""

import asyncio
import ssl
from collections.abc import Callable
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx2

from ripieno.domain.errors import Defect
from ripieno.tools.egress.backend import Observe, Resolve, system_resolve
from ripieno.tools.egress.policy import EgressDecision, EgressDenied, EgressPolicy
from ripieno.tools.egress.scope import PROOF, Scope, scoped
from ripieno.tools.egress.transport import GuardedTransport

MAX_REDIRECTS = 5
TIMEOUT = httpx2.Timeout(10.0, connect=5.0)
"""Seconds for each read, write and connection; the policy limits the whole."""


def unobserved(decision: EgressDecision) -> None:
    """Take no note of a decision."""
    del decision


def guarded_client(
    policy: EgressPolicy,
    *,
    observe: Observe = unobserved,
    resolve: Resolve = system_resolve,
    tls: ssl.SSLContext | None = None,
    around: Callable[[httpx2.AsyncBaseTransport], httpx2.AsyncBaseTransport] | None = None,
) -> httpx2.AsyncClient:
    """An HTTP client that goes nowhere but where the policy lets it.

    It takes no proxy or credential from the environment and keeps no cookies, so that tenants may share it. `observe`
    is called with each decision. `around` may put a ring around the guarded transport.
    """
    context = tls or httpx2.create_ssl_context(trust_env=False)
    guarded = GuardedTransport(policy, context, resolve, observe)
    return httpx2.AsyncClient(
        transport=around(guarded) if around else guarded,
        trust_env=False,
        follow_redirects=True,
        max_redirects=MAX_REDIRECTS,
        timeout=TIMEOUT,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    )


async def prove(client: httpx2.AsyncClient) -> None:
    """Show that the guard is in place: open a port on this machine and try to reach it.

    Raises:
        Defect: The request got through, or was stopped by something other than the guard.
    """
    arrivals = 0

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal arrivals
        del reader
        arrivals += 1
        writer.close()

    server = await asyncio.start_server(count, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        try:
            with scoped(Scope(PROOF)):
                await client.get(f"http://127.0.0.1:{port}/")
        except EgressDenied:
            denied = True
        except httpx2.HTTPError:
            denied = False
        else:
            denied = False
    if arrivals or not denied:
        raise Defect("the egress guard is not in place: a request reached a private address")

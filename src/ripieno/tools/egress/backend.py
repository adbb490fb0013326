"""The network beneath the HTTP client: every connection to a host that nobody configured is vetted here.

The name is resolved once, all its addresses are vetted, and the connection goes to one of those very addresses: there
is no moment between check and use in which a second answer could slip in. Redirects and pooled connections come
through here like anything else.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import NoReturn, TypeAlias, cast

import httpcore2

from ripieno.tools.egress.addresses import is_public
from ripieno.tools.egress.names import normal
from ripieno.tools.egress.policy import EgressDecision, EgressDenied, EgressPolicy

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host. Raises `OSError` when there are none."""

Observe: TypeAlias = Callable[[EgressDecision], None]

_TRIED = 4  # addresses of one host, at most


async def system_resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system. It also understands spellings like `0x7f000001` and `127.1`, so nothing needs to parse them."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for _, _, _, _, address in found))


class GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Connects to public addresses of allowed hosts and to nothing else. `public` tells which addresses are."""

    def __init__(
        self, policy: EgressPolicy, resolve: Resolve, observe: Observe, public: Callable[[str], bool] = is_public
    ) -> None:
        self._policy = policy
        self._resolve = resolve
        self._observe = observe
        self._public = public
        self._network = _network()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Resolve, vet, connect.

        Raises:
            EgressDenied: The policy forbids the host, or one of its addresses is not public.
            httpcore2.ConnectError: There is no such host, or it does not answer.
        """
        addresses = await self._vetted(host, port, timeout)
        failure: Exception = httpcore2.ConnectError(f"{host} has no address")
        for address in addresses[:_TRIED]:
            try:
                stream = await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
                continue
            self._observe(EgressDecision(True, host, port, "public address of an allowed host", address))
            return stream
        raise failure

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's signature
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Refuse: nothing public listens there."""
        del timeout, socket_options
        self._deny(path, 0, "unix sockets are not allowed")

    async def _vetted(self, host: str, port: int, seconds: float | None) -> Sequence[str]:
        """The addresses of a host, if it may be reached at all of them."""
        literal = _literal(host)
        if literal and not self._public(literal):
            self._deny(host, port, f"{literal} is not a public address")
        if objection := self._policy.objection(host, port):
            self._deny(host, port, objection)
        if literal:
            return [literal]
        try:
            async with asyncio.timeout(seconds):
                addresses = await self._resolve(normal(host), port)
        except TimeoutError:
            raise httpcore2.ConnectTimeout(f"{host} was not resolved in time") from None
        except (OSError, UnicodeError):
            raise httpcore2.ConnectError(f"{host} cannot be resolved") from None
        closed = [address for address in addresses if not self._public(address)]
        if closed:
            self._deny(host, port, f"{host} has an address that is not public ({closed[0]})")
        return addresses

    def _deny(self, host: str, port: int, reason: str) -> NoReturn:
        self._observe(EgressDecision(False, host, port, reason))
        raise EgressDenied(f"not allowed to leave: {reason}")


class TrustedBackend(httpcore2.AsyncNetworkBackend):
    """Connects wherever it is told: for origins that an administrator configured, and only for those."""

    def __init__(self, observe: Observe) -> None:
        self._observe = observe
        self._network = _network()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect.

        Raises:
            httpcore2.ConnectError: There is no such host, or it does not answer.
        """
        stream = await self._network.connect_tcp(host, port, timeout, local_address, socket_options)
        self._observe(EgressDecision(True, host, port, "configured origin"))
        return stream


def _network() -> httpcore2.AsyncNetworkBackend:
    return cast("httpcore2.AsyncNetworkBackend", httpcore2.AnyIOBackend())


def _literal(host: str) -> str | None:
    """The host, if it is an address in its usual spelling."""
    bare = host.strip("[]")
    try:
        ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    return bare

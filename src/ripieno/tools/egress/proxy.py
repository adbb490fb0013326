"""An HTTP proxy on a unix socket that lets out what the egress policy lets out: for programs in a sandbox.

It takes `CONNECT` for TLS, of which it sees host and port only, and plain requests, of which it sees the method too. A
plain connection carries one request, so that each is judged. It serves one call: its rules are those of the call's
tool and tenant, whoever connects.
"""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpcore2
import httpx2

from ripieno.tools.egress.addresses import is_public
from ripieno.tools.egress.backend import GuardedBackend, Observe, Resolve, TrustedBackend, system_resolve
from ripieno.tools.egress.guard import unobserved
from ripieno.tools.egress.policy import EgressDecision, EgressDenied, EgressPolicy, origin
from ripieno.tools.egress.rules import first
from ripieno.tools.egress.scope import Scope, current, scoped

_MOST_HEAD = 32 * 1024
_CHUNK = 64 * 1024
_CONNECT_SECONDS = 10.0
_DROPPED = (b"proxy-", b"connection:", b"keep-alive:")


@dataclass(frozen=True, slots=True)
class Proxy:
    """Opens proxies for one policy. `public` tells which addresses may be reached."""

    policy: EgressPolicy
    observe: Observe = unobserved
    resolve: Resolve = system_resolve
    public: Callable[[str], bool] = is_public

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[Path]:
        """A proxy for the call that this is part of. It and all its connections end with the block."""
        scope = current()
        folder = _folder()
        try:
            async with asyncio.TaskGroup() as group:
                door = _Door(self, Scope(scope.tool, scope.tenant, scope.run_id), group)
                server = await asyncio.start_unix_server(door.take, folder / "egress.sock", limit=_MOST_HEAD)
                _open_to_all(folder / "egress.sock")
                try:
                    yield folder / "egress.sock"
                finally:
                    server.close()
                    door.close()
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _folder() -> Path:
    """A new folder in which another user, the sandbox's, finds what he knows the name of."""
    folder = Path(tempfile.mkdtemp(prefix="ripieno-"))
    folder.chmod(0o711)
    return folder


def _open_to_all(path: Path) -> None:
    path.chmod(0o666)


class _Door:
    """Takes connections, each in a task of the group."""

    def __init__(self, proxy: Proxy, scope: Scope, group: asyncio.TaskGroup) -> None:
        self._proxy = proxy
        self._scope = scope
        self._group = group
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._group.create_task(self._served(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        scope = Scope(self._scope.tool, self._scope.tenant, self._scope.run_id)
        try:
            async with asyncio.timeout(self._proxy.policy.total_timeout):
                with scoped(scope):
                    await self._serve(reader, writer)
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, httpcore2.NetworkError):
            return  # the connection ends, which is all that the other side need know
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        line, *fields = head[:-4].split(b"\r\n")
        try:
            method, target, _ = line.decode("ascii").split(" ")
            url = httpx2.URL(f"https://{target}" if method == "CONNECT" else target)
        except (ValueError, httpx2.InvalidURL):
            return _answer(writer, "400 Bad Request", "this is no request to a proxy")
        if not url.host or (method != "CONNECT" and url.scheme != "http"):
            return _answer(writer, "400 Bad Request", "this proxy takes CONNECT and plain http requests")
        try:
            far = await self._connected(url, None if method == "CONNECT" else method)
        except EgressDenied as error:
            return _answer(writer, "403 Forbidden", error.detail)
        except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
            return _answer(writer, "502 Bad Gateway", str(error))
        try:
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                await far.write(_forwarded(method, url, fields))
            await self._piped(reader, writer, far)
        finally:
            await far.aclose()
        return None

    async def _connected(self, url: httpx2.URL, method: str | None) -> httpcore2.AsyncNetworkStream:
        """A connection to where the policy lets it. Raises `EgressDenied`."""
        proxy = self._proxy
        _, host, port = origin(url)
        rule = first(proxy.policy.rules, current(), host, port, method)
        if rule is not None and not rule.allow:
            reason = f"the rule {rule.name} denies {host}"
            proxy.observe(EgressDecision(False, host, port, reason, rule=rule.name, method=method or "CONNECT"))
            raise EgressDenied(f"not allowed to leave: {reason}")
        if proxy.policy.trusts(url):
            return await TrustedBackend(proxy.observe).connect_tcp(host, port, _CONNECT_SECONDS)
        policy = proxy.policy if rule is None else EgressPolicy(allow_ports=None)
        backend = GuardedBackend(policy, proxy.resolve, proxy.observe, proxy.public)
        return await backend.connect_tcp(host, port, _CONNECT_SECONDS)

    async def _piped(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, far: httpcore2.AsyncNetworkStream
    ) -> None:
        """Copy both ways until the far side ends, or has sent more than is allowed."""
        async with asyncio.TaskGroup() as group:
            up = group.create_task(_up(reader, far))
            await _down(far, writer, self._proxy.policy.max_bytes)
            up.cancel()


async def _down(far: httpcore2.AsyncNetworkStream, writer: asyncio.StreamWriter, room: int | None) -> None:
    with contextlib.suppress(httpcore2.NetworkError, ConnectionError):
        while chunk := await far.read(_CHUNK):
            if room is not None:
                room -= len(chunk)
                if room < 0:
                    return
            writer.write(chunk)
            await writer.drain()


async def _up(reader: asyncio.StreamReader, far: httpcore2.AsyncNetworkStream) -> None:
    with contextlib.suppress(httpcore2.NetworkError, ConnectionError):
        while chunk := await reader.read(_CHUNK):
            await far.write(chunk)


def _forwarded(method: str, url: httpx2.URL, fields: list[bytes]) -> bytes:
    """The head as the far side is to see it: for one request, and with nothing that is meant for a proxy."""
    kept = [field for field in fields if not field.lower().startswith((*_DROPPED, b"host:"))]
    line = b"%s %s HTTP/1.1" % (method.encode(), url.raw_path)
    return b"\r\n".join([line, b"Host: " + url.netloc, *kept, b"Connection: close", b"", b""])


def _answer(writer: asyncio.StreamWriter, status: str, reason: str) -> None:
    body = f"{reason}\n"
    fields = ("Content-Type: text/plain", f"Content-Length: {len(body.encode())}", "Connection: close")
    writer.write("\r\n".join((f"HTTP/1.1 {status}", *fields, "", body)).encode())

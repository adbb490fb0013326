"""The HTTP transport on guarded connections: scheme, encoding, size and total time of every exchange."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from typing import Any, Protocol, cast

import httpcore2
import httpx2

from ripieno.tools.egress.backend import GuardedBackend, Observe, Resolve, TrustedBackend
from ripieno.tools.egress.policy import DEFAULT_PORTS, AnswerDenied, EgressDecision, EgressDenied, EgressPolicy, origin
from ripieno.tools.egress.rules import first
from ripieno.tools.egress.scope import current

_DEADLINE = "ripieno.deadline"  # loop time, in the request's extensions: redirects inherit them

_CONNECTIONS = 100
_KEPT = 20
_KEPT_SECONDS = 30.0


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Sends requests to configured origins and to public hosts, over separate connections.

    Raises:
        EgressDenied: The policy says no.
        httpx2.TransportError: What any transport raises.
    """

    def __init__(self, policy: EgressPolicy, tls: ssl.SSLContext, resolve: Resolve, observe: Observe) -> None:
        self._policy = policy
        self._observe = observe
        self._public = _pool(tls, GuardedBackend(policy, resolve, observe))
        self._trusted = _pool(tls, TrustedBackend(observe))
        # What a rule opens by name; apart, so that nobody else finds its connections. Addresses are vetted as ever.
        by_rule = EgressPolicy(allow_ports=None)
        self._ruled = _pool(tls, GuardedBackend(by_rule, resolve, observe))

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.scheme not in DEFAULT_PORTS:
            reason = f"scheme {request.url.scheme!r} is not allowed"
            self._tell(request, reason)
            raise EgressDenied(reason)
        pool = self._pool_of(request)
        # A compressed body could grow a thousandfold after it was counted.
        request.headers["accept-encoding"] = "identity"
        deadline = _deadline(request, self._policy.total_timeout)
        async with _limited(deadline):
            answer = await pool.handle_async_request(_outgoing(request))
        body = _Body(cast("_Stream", answer.stream), self._policy.max_bytes, deadline)
        response = httpx2.Response(answer.status, headers=answer.headers, stream=body, extensions=_extensions(answer))
        if objection := self._objection(response):
            await body.aclose()
            self._tell(request, objection)
            raise AnswerDenied(objection)
        return response

    async def aclose(self) -> None:
        await self._public.aclose()
        await self._trusted.aclose()
        await self._ruled.aclose()

    def _pool_of(self, request: httpx2.Request) -> httpcore2.AsyncConnectionPool:
        """The connections that the request may use. A rule is looked for at each request, also on open connections.

        Raises:
            EgressDenied: A rule says no.
        """
        _, host, port = origin(request.url)
        rule = first(self._policy.rules, current(), host, port, request.method)
        if rule is not None and not rule.allow:
            reason = f"the rule {rule.name} denies {host}"
            self._tell(request, reason, rule.name)
            raise EgressDenied(f"not allowed to leave: {reason}")
        if self._policy.trusts(request.url):
            return self._trusted
        return self._public if rule is None else self._ruled

    def _objection(self, response: httpx2.Response) -> str | None:
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in {"", "identity"}:
            return f"the answer is encoded ({encoding[:40]}) although that was not asked for"
        length = response.headers.get("content-length", "")
        limit = self._policy.max_bytes
        if limit is not None and length.isdecimal() and int(length) > limit:
            return f"the answer has {length} bytes, more than {limit}"
        return None

    def _tell(self, request: httpx2.Request, reason: str, rule: str = "") -> None:
        _, host, port = origin(request.url)
        self._observe(EgressDecision(False, host, port, reason, rule=rule, method=request.method))


class _Stream(Protocol):
    """What httpcore2 gives as a body."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def aclose(self) -> None: ...


class _Body(httpx2.AsyncByteStream):
    """A response body that ends with an error when it is too long or takes too long."""

    def __init__(self, inner: _Stream, max_bytes: int | None, deadline: float | None) -> None:
        self._inner = inner
        self._max_bytes = max_bytes
        self._deadline = deadline

    async def __aiter__(self) -> AsyncIterator[bytes]:
        seen = 0
        chunks = aiter(self._inner)
        while True:
            async with _limited(self._deadline):
                chunk = await anext(chunks, None)
            if chunk is None:
                return
            seen += len(chunk)
            if self._max_bytes is not None and seen > self._max_bytes:
                raise AnswerDenied(f"the answer has more than {self._max_bytes} bytes")
            yield chunk

    async def aclose(self) -> None:
        with _translated():
            await self._inner.aclose()


@contextlib.asynccontextmanager
async def _limited(deadline: float | None) -> AsyncGenerator[None]:
    """Give up at the deadline (loop time), and speak httpx2's language about what fails."""
    try:
        with _translated():
            async with asyncio.timeout_at(deadline):
                yield
    except TimeoutError:
        raise httpx2.ReadTimeout("the exchange took longer than is allowed in all") from None


@contextlib.contextmanager
def _translated() -> Generator[None]:
    """Turn httpcore2's errors into those of httpx2, which have the same names."""
    try:
        yield
    except Exception as error:
        for kind in type(error).__mro__:
            same = getattr(httpx2, kind.__name__, None) if kind.__module__.startswith("httpcore2") else None
            if same is not None:
                raise same(str(error)) from error
        raise


def _deadline(request: httpx2.Request, seconds: float | None) -> float | None:
    if seconds is None:
        return None
    return request.extensions.setdefault(_DEADLINE, asyncio.get_running_loop().time() + seconds)


def _outgoing(request: httpx2.Request) -> httpcore2.Request:
    url = request.url
    return httpcore2.Request(
        request.method,
        httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
        headers=request.headers.raw,
        content=cast("httpx2.AsyncByteStream", request.stream),
        extensions=request.extensions,
    )


def _extensions(answer: httpcore2.Response) -> dict[str, Any]:
    return dict(cast("dict[str, Any]", answer.extensions))


def _pool(tls: ssl.SSLContext, backend: httpcore2.AsyncNetworkBackend) -> httpcore2.AsyncConnectionPool:
    return httpcore2.AsyncConnectionPool(
        ssl_context=tls,
        network_backend=backend,
        max_connections=_CONNECTIONS,
        max_keepalive_connections=_KEPT,
        keepalive_expiry=_KEPT_SECONDS,
    )

"""Where programs of this server may go, and what was decided about one attempt to go there."""

from dataclasses import dataclass, field
from typing import TypeAlias

import httpx2

from ripieno.domain.errors import Denied, Invalid
from ripieno.tools.egress.names import meant, normal
from ripieno.tools.egress.rules import Rule

Origin: TypeAlias = tuple[str, str, int]
"""Scheme, host and port."""

DEFAULT_PORTS = {"http": 80, "https": 443}


class EgressDenied(Denied, httpx2.ConnectError):
    """The guard let a request not leave, or its answer not in. Catch it as either of its parents."""

    code = "egress_denied"


class AnswerDenied(EgressDenied):
    """What came back was not let in: the request has been sent."""


@dataclass(frozen=True, slots=True)
class EgressDecision:
    """What the guard decided about one connection, and why. `address` is what was connected to."""

    allowed: bool
    host: str
    port: int
    reason: str
    address: str = ""
    rule: str = ""
    method: str = ""


@dataclass(frozen=True, kw_only=True)
class EgressPolicy:
    """Where requests may go.

    A domain with a leading dot means it and all below it; `allow_domains=None` means any public host. `allow_origins`
    (`http://127.0.0.1:9000`) are open whatever else is said, private addresses included: they are for what an
    administrator configured. None for `allow_ports`, `max_bytes` (of a response body) or `total_timeout` (seconds,
    redirects and body included) means no limit. The first of the `rules` that fits goes before the other lists.

    Raises:
        Invalid: An origin is not one.
    """

    allow_domains: tuple[str, ...] | None = None
    deny_domains: tuple[str, ...] = ()
    allow_origins: tuple[str, ...] = ()
    allow_ports: frozenset[int] | None = frozenset({80, 443})
    max_bytes: int | None = 5_000_000
    total_timeout: float | None = 30.0
    rules: tuple[Rule, ...] = ()
    _origins: frozenset[Origin] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_origins", frozenset(_parsed(origin) for origin in self.allow_origins))

    def trusts(self, url: httpx2.URL) -> bool:
        """Whether the URL is in an origin that an administrator opened."""
        return origin(url) in self._origins

    def objection(self, host: str, port: int) -> str | None:
        """Why this host and port are not allowed by name; None when they are."""
        host = normal(host)
        if meant(host, self.deny_domains):
            return f"{host} is on the deny list"
        if self.allow_domains is not None and not meant(host, self.allow_domains):
            return f"{host} is not on the allow list"
        if self.allow_ports is not None and port not in self.allow_ports:
            return f"port {port} is not allowed"
        return None


def origin(url: httpx2.URL) -> Origin:
    """The origin of a URL, with the port spelt out (0 for a scheme that has none)."""
    return (url.scheme, normal(url.host), url.port or DEFAULT_PORTS.get(url.scheme, 0))


def _parsed(text: str) -> Origin:
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL:
        url = httpx2.URL("")
    extra = url.path.strip("/") or url.query or url.userinfo or url.fragment
    if url.scheme not in DEFAULT_PORTS or not url.host or "%" in url.host or extra:
        raise Invalid(f"{text!r} is not an origin such as http://127.0.0.1:9000")
    return origin(url)

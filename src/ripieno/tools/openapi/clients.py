"""HTTP clients of imported APIs, each open to what an administrator named for it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2

from ripieno.tools.egress.backend import Observe
from ripieno.tools.egress.guard import guarded_client, unobserved
from ripieno.tools.egress.policy import EgressPolicy
from ripieno.tools.egress.rules import Rule
from ripieno.tools.openapi.addresses import Place
from ripieno.tools.openapi.documents import MOST_BYTES

FETCH_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Domains:
    """Where all of the server's requests may go; None for `allow` means any public host."""

    allow: tuple[str, ...] | None = None
    deny: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()


class ApiClients:
    """Makes clients and keeps them: places that opened the same share one, and its connections."""

    def __init__(self, domains: Domains, observe: Observe = unobserved) -> None:
        self._domains = domains
        self._observe = observe
        self._made: dict[tuple[tuple[str, ...], float], httpx2.AsyncClient] = {}

    def of(self, place: Place) -> httpx2.AsyncClient:
        """The client for calls."""
        key = (place.opened, place.config.timeout)
        known = self._made.get(key)
        return known or self._made.setdefault(key, self._client(place.opened, None, place.config.timeout))

    @asynccontextmanager
    async def fetching(self, origin: str) -> AsyncGenerator[httpx2.AsyncClient]:
        """A client for one document."""
        async with self._client((origin,), MOST_BYTES, FETCH_SECONDS) as client:
            yield client

    async def aclose(self) -> None:
        """Close all connections."""
        for client in self._made.values():
            await client.aclose()

    def _client(self, opened: tuple[str, ...], most_bytes: int | None, seconds: float) -> httpx2.AsyncClient:
        policy = EgressPolicy(
            allow_domains=self._domains.allow,
            deny_domains=self._domains.deny,
            allow_origins=opened,
            max_bytes=most_bytes,
            total_timeout=seconds,
            rules=self._domains.rules,
        )
        return guarded_client(policy, observe=self._observe)

"""Where an API is: its own origin, and which further ones an administrator opened.

What a document names is called like any address on the internet: through the guard, and never in a private network.
What an administrator names (`base_url`, `origins`, the URL that a document was fetched from) is open by its exact
origin. Credentials go to the API's own origin and to `origins`, nowhere else.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote, urljoin

import httpx2

from ripieno.domain.errors import Invalid, Problem
from ripieno.domain.jsons import JsonObject
from ripieno.tools.egress.policy import Origin, origin
from ripieno.tools.openapi.config import ApiConfig
from ripieno.tools.openapi.nodes import members
from ripieno.tools.openapi.operations import Api, Operation


@dataclass(frozen=True, slots=True)
class Place:
    """`home` is the address of the API, `own` the origins that may be called with credentials."""

    home: str
    own: frozenset[Origin]
    config: ApiConfig
    source: str

    def address(self, operation: Operation) -> str:
        """The base of an operation's requests. Raises `Invalid` where it is at a place of its own that is not open."""
        if self.config.base_url or not operation.servers:
            return self.home
        url = server_url(operation.servers, self.config.variables, self.source)
        if origin_of(url) not in self.own:
            raise Invalid(f"it is served by {root(url)}, which is not open: name it in `origins`")
        return url

    def token_url(self, scheme: str, url: str) -> str:
        """Where a token is asked for. Raises `Invalid` where only the document says so and it is elsewhere."""
        if given := self.config.auth[scheme].token_url:
            return given
        whole = urljoin(self.home, url)
        if _origin_or_none(whole) not in self.own:
            told = f"the document sends secrets to {whole[:200]!r}, which is not the API; repeat it here if it is right"
            raise Invalid(told, [Problem(f"/auth/{scheme}/token_url", told)])
        return whole

    @property
    def opened(self) -> tuple[str, ...]:
        """The origins that an administrator named."""
        named = [self.config.base_url, *self.config.origins, *(one.token_url for one in self.config.auth.values())]
        if not self.config.base_url and origin_of(self.home) == _origin_or_none(self.source):
            named.append(self.source)
        return tuple(dict.fromkeys(root(url) for url in named if url))


def place_of(api: Api, config: ApiConfig, source: str) -> Place:
    """Where the API is; `source` is the URL of its document, if it has one. Raises `Invalid`."""
    home = config.base_url or server_url(api.servers, config.variables, source)
    own = frozenset(origin_of(url) for url in (home, *config.origins))
    return Place(home, own, config, source)


def server_url(servers: tuple[JsonObject, ...], variables: Mapping[str, str], source: str) -> str:
    """The address of the first server, with its variables filled in. Raises `Invalid`."""
    server: JsonObject = servers[0] if servers else {"url": "/"}
    url = str(server["url"])
    for name, described in members(server.get("variables")).items():
        value = str(variables.get(name, members(described).get("default", "")))
        allowed = members(described).get("enum")
        if isinstance(allowed, list) and value not in allowed:
            words = ", ".join(str(word) for word in cast("list[Any]", allowed))
            detail = f"the server variable {name} must be one of {words}"
            raise Invalid(detail, [Problem(f"/variables/{name}", detail)])
        url = url.replace(f"{{{name}}}", quote(value, safe=":/.-_~"))
    if lacking := re.search(r"\{([^{}]*)\}", url):
        raise Invalid(f"the address of the API, {url[:200]}, has a variable {lacking[1]} without a value")
    whole = urljoin(source, url)
    if not whole.startswith(("http://", "https://")):
        raise Invalid("the document does not say where the API is", [Problem("/base_url", "is needed")])
    origin_of(whole)
    return whole


def origin_of(url: str) -> Origin:
    """The origin of a URL. Raises `Invalid`."""
    found = _origin_or_none(url)
    if found is None:
        raise Invalid(f"{url[:200]!r} is no address of an API")
    return found


def root(url: str) -> str:
    """The origin as text. Raises `Invalid`."""
    scheme, host, port = origin_of(url)
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def _origin_or_none(url: str) -> Origin | None:
    try:
        parsed = httpx2.URL(url)
        found = origin(parsed)
    except (httpx2.InvalidURL, ValueError, TypeError):
        return None
    return found if found[0] in {"http", "https"} and found[1] and not parsed.userinfo else None

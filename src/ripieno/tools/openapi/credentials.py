"""Shows an API who asks: keys, basic and bearer authorization, OAuth2 client credentials (RFC 6749 §4.4)."""

import asyncio
import base64
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import quote

import httpx2

from ripieno.domain.errors import Invalid, Problem, ToolUnavailable
from ripieno.domain.secrets import REFERENCE
from ripieno.ports import Clock, Secrets
from ripieno.tools.openapi.addresses import Place
from ripieno.tools.openapi.building import Prepared, cookie_value, header_value
from ripieno.tools.openapi.config import Credential
from ripieno.tools.openapi.nodes import members
from ripieno.tools.openapi.operations import Operation, SecurityScheme

SUPPORTED = frozenset({"apiKey", "basic", "bearer", "clientCredentials"})

EARLY_SECONDS = 30.0
"""A token is renewed this long before it ends."""

SHORTEST_SECONDS = 60.0
"""How long a token lasts of which the server does not tell."""


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    ends: float


class Credentials:
    """Adds to a request what its operation's security asks for, from the secrets of the caller's tenant.

    Raises:
        Invalid: Something is given for a scheme that the document does not have, or a token server is not the API's.
    """

    def __init__(
        self,
        schemes: Mapping[str, SecurityScheme],
        place: Place,
        secrets: Secrets,
        client: httpx2.AsyncClient,
        clock: Clock,
    ) -> None:
        self._given = place.config.auth
        self._always: dict[str, tuple[str, ...]] = {name: () for name, one in self._given.items() if one.type}
        self._schemes = {name: _scheme(name, one, schemes, place) for name, one in self._given.items()}
        self._scopes = place.config.scopes
        self._secrets = secrets
        self._client = client
        self._clock = clock
        self._tokens: dict[tuple[str, str, str], _Token] = {}
        self._asking = asyncio.Lock()

    async def sign(self, tenant: str, operation: Operation, prepared: Prepared) -> None:
        """Use what every request bears, and the first alternative for which there are credentials.

        Raises:
            ToolUnavailable: There are none; or the token server gives none.
            NotFound: A secret that is referred to does not exist.
        """
        for name, scopes in {**self._alternative(operation), **self._always}.items():
            await self._one(tenant, self._schemes[name], scopes, prepared)

    def forget(self, tenant: str) -> None:
        """The API refused: ask for new tokens next time."""
        self._tokens = {place: token for place, token in self._tokens.items() if place[0] != tenant}

    def _alternative(self, operation: Operation) -> dict[str, tuple[str, ...]]:
        """Asking as somebody comes before asking as nobody, which the empty alternative allows."""
        for alternative in sorted(operation.security, key=lambda one: not one):
            if all(name in self._given for name in alternative):
                return alternative
        if not operation.security or self._always:
            return {}
        lacking = sorted({name for alternative in operation.security for name in alternative})
        raise ToolUnavailable(f"{operation.name} needs credentials for {' or '.join(lacking)}, and none are configured")

    async def _one(self, tenant: str, scheme: SecurityScheme, scopes: tuple[str, ...], prepared: Prepared) -> None:
        given = self._given[scheme.name]
        if scheme.kind == "clientCredentials":
            prepared.headers["authorization"] = f"Bearer {await self._token(tenant, scheme, scopes)}"
            return
        value = header_value(scheme.name, await self._value(tenant, given))
        match (scheme.kind, scheme.place):
            case ("apiKey", "header"):
                prepared.headers[scheme.parameter] = value
            case ("apiKey", "query"):
                prepared.query.append(f"{quote(scheme.parameter, safe='')}={quote(value, safe='')}")
            case ("apiKey", "cookie"):
                prepared.cookies[scheme.parameter] = cookie_value(value)
            case ("basic", _):
                pair = base64.b64encode(f"{given.username}:{value}".encode()).decode()
                prepared.headers["authorization"] = f"Basic {pair}"
            case _:
                prepared.headers["authorization"] = f"Bearer {value}"

    async def _value(self, tenant: str, given: Credential) -> str:
        return await self._secrets.value(tenant, given.secret.removeprefix(REFERENCE))

    async def _token(self, tenant: str, scheme: SecurityScheme, scopes: tuple[str, ...]) -> str:
        own = self._given[scheme.name].scopes
        wanted = " ".join(own if own is not None else self._scopes if self._scopes is not None else scopes)
        async with self._asking:  # many calls at once need one token
            known = self._tokens.get((tenant, scheme.name, wanted))
            if known is None or known.ends <= self._clock.monotonic():
                known = self._tokens[tenant, scheme.name, wanted] = await self._ask(tenant, scheme, wanted)
            return known.text

    async def _ask(self, tenant: str, scheme: SecurityScheme, wanted: str) -> _Token:
        given = self._given[scheme.name]
        form = {"grant_type": "client_credentials", **({"scope": wanted} if wanted else {})}
        pair = (quote(given.client_id, safe=""), quote(await self._value(tenant, given), safe=""))
        headers = {"accept": "application/json"}
        try:
            answer = await self._client.post(
                scheme.token_url, data=form, auth=pair, headers=headers, follow_redirects=False
            )
            told = members(answer.json())
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            why = f"the token server of {scheme.name} does not answer: {type(error).__name__}"
            raise ToolUnavailable(why) from None
        text = told.get("access_token")
        if not answer.is_success or not isinstance(text, str):
            why = str(told.get("error") or f"HTTP {answer.status_code}")[:100]
            raise ToolUnavailable(f"the token server of {scheme.name} gives no token: {why}")
        lasts = told.get("expires_in")
        seconds = float(lasts) if isinstance(lasts, int | float) else SHORTEST_SECONDS
        return _Token(header_value(scheme.name, text), self._clock.monotonic() + max(0.0, seconds - EARLY_SECONDS))


def _scheme(name: str, given: Credential, schemes: Mapping[str, SecurityScheme], place: Place) -> SecurityScheme:
    scheme = given.scheme(name) if given.type is not None else schemes.get(name)
    if scheme is None:
        meant = difflib.get_close_matches(name, schemes, cutoff=0) or ["none: give a type"]
        detail = f"the document has no security scheme {name}; it has {', '.join(meant)}"
        raise Invalid(detail, [Problem(f"/auth/{name}", detail)])
    known = scheme.kind != "apiKey" or scheme.place in {"header", "query", "cookie"}
    if scheme.kind not in SUPPORTED or not known:
        detail = f"the security scheme {name} is of a kind ({scheme.kind or 'none'}) that is not supported; give a type"
        raise Invalid(detail, [Problem(f"/auth/{name}", detail)])
    if scheme.kind == "clientCredentials":
        return replace(scheme, token_url=place.token_url(name, scheme.token_url))
    return scheme

"""Shows an API who asks: keys, basic and bearer authorization, OAuth2 client credentials (RFC 6749 §4.4)."""

import asyncio
import base64
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

import httpx2

from ripieno.domain.errors import ToolUnavailable
from ripieno.domain.secrets import REFERENCE
from ripieno.ports import Clock, Secrets
from ripieno.tools.openapi.building import Prepared, header_value
from ripieno.tools.openapi.config import Credential
from ripieno.tools.openapi.nodes import members
from ripieno.tools.openapi.operations import Operation, SecurityScheme

EARLY_SECONDS = 30.0
"""A token is renewed this long before it ends."""

SHORTEST_SECONDS = 60.0
"""How long a token is used whose life the server does not tell."""


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    ends: float


class Credentials:
    """Adds to a request what its operation's security asks for, from the secrets of the caller's tenant."""

    def __init__(
        self,
        schemes: Mapping[str, SecurityScheme],
        given: Mapping[str, Credential],
        secrets: Secrets,
        client: httpx2.AsyncClient,
        clock: Clock,
    ) -> None:
        self._schemes = schemes
        self._given = given
        self._secrets = secrets
        self._client = client
        self._clock = clock
        self._tokens: dict[tuple[str, str], _Token] = {}
        self._asking = asyncio.Lock()

    async def sign(self, tenant: str, operation: Operation, prepared: Prepared) -> None:
        """Use the first alternative for which there are credentials.

        Raises:
            ToolUnavailable: There are none; or the token server gives none.
            NotFound: A secret that is referred to does not exist.
        """
        if not operation.security:
            return
        for alternative in operation.security:
            if all(name in self._given and name in self._schemes for name in alternative):
                for name, scopes in alternative.items():
                    await self._one(tenant, self._schemes[name], scopes, prepared)
                return
        lacking = sorted({name for alternative in operation.security for name in alternative})
        raise ToolUnavailable(f"{operation.name} needs credentials for {' or '.join(lacking)}, and none are configured")

    def forget(self, tenant: str) -> None:
        """The API refused: ask for new tokens next time."""
        self._tokens = {place: token for place, token in self._tokens.items() if place[0] != tenant}

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
                prepared.cookies[scheme.parameter] = quote(value, safe="")
            case ("basic", _):
                pair = base64.b64encode(f"{given.username}:{value}".encode()).decode()
                prepared.headers["authorization"] = f"Basic {pair}"
            case ("bearer", _):
                prepared.headers["authorization"] = f"Bearer {value}"
            case _:
                raise ToolUnavailable(f"the security scheme {scheme.name} ({scheme.kind}) is not supported")

    async def _value(self, tenant: str, given: Credential) -> str:
        return await self._secrets.value(tenant, given.secret.removeprefix(REFERENCE))

    async def _token(self, tenant: str, scheme: SecurityScheme, scopes: tuple[str, ...]) -> str:
        async with self._asking:  # many calls at once need one token
            known = self._tokens.get((tenant, scheme.name))
            if known is None or known.ends <= self._clock.monotonic():
                known = self._tokens[tenant, scheme.name] = await self._ask(tenant, scheme, scopes)
            return known.text

    async def _ask(self, tenant: str, scheme: SecurityScheme, scopes: tuple[str, ...]) -> _Token:
        given = self._given[scheme.name]
        wanted = given.scopes if given.scopes is not None else scopes
        form = {"grant_type": "client_credentials", **({"scope": " ".join(wanted)} if wanted else {})}
        pair = (quote(given.client_id, safe=""), quote(await self._value(tenant, given), safe=""))
        url = given.token_url or scheme.token_url
        try:
            answer = await self._client.post(url, data=form, auth=pair, follow_redirects=False)
            told = members(answer.json())
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            raise ToolUnavailable(
                f"the token server of {scheme.name} does not answer: {type(error).__name__}"
            ) from None
        text = told.get("access_token")
        if answer.is_error or not isinstance(text, str):
            why = str(told.get("error") or f"HTTP {answer.status_code}")[:100]
            raise ToolUnavailable(f"the token server of {scheme.name} gives no token: {why}")
        lasts = told.get("expires_in")
        seconds = float(lasts) if isinstance(lasts, int | float) else SHORTEST_SECONDS
        return _Token(text, self._clock.monotonic() + max(0.0, seconds - EARLY_SECONDS))

"""Secrets of a server's configuration, put in when it is connected to; and OAuth 2.1 client credentials."""

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping
from typing import Any, cast
from urllib.parse import quote

import httpx2

from ripieno.domain.errors import ToolUnavailable
from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.secrets import NAME, REFERENCE
from ripieno.ports import Clock, Secrets
from ripieno.tools.mcp.config import Bearer, ClientCredentials, ServerConfig

EARLY_SECONDS = 30.0
"""A token is renewed this long before it ends."""

UNTOLD_SECONDS = 300.0
"""How long a token lasts of which the server does not tell."""

UNAUTHORIZED = 401

_REFERENCE = re.compile(re.escape(REFERENCE) + f"({NAME.pattern})")


async def resolved(config: ServerConfig, secrets: Secrets, tenant: str) -> ServerConfig:
    """The same with the values of the secrets that it refers to.

    Raises:
        NotFound, SecretUnreadable, SecretsLocked: A secret cannot be had.
        ToolUnavailable: A secret cannot stand in a header.
    """
    values: dict[str, str] = {}
    texts = [*config.args, *config.env.values(), *config.headers.values(), *_of_auth(config).values()]
    for name in {name for text in texts for name in _REFERENCE.findall(text)}:
        values[name] = await secrets.value(tenant, name)

    def put(text: str) -> str:
        return _REFERENCE.sub(lambda found: values[found[1]], text)

    changes: dict[str, Any] = {
        "args": tuple(map(put, config.args)),
        "env": {name: put(text) for name, text in config.env.items()},
        "headers": {name: _header(config, name, put(text)) for name, text in config.headers.items()},
    }
    if config.auth is not None:
        told = {name: _header(config, name, put(text)) for name, text in _of_auth(config).items()}
        changes["auth"] = config.auth.model_copy(update=told)
    return config.model_copy(update=changes)


def _of_auth(config: ServerConfig) -> Mapping[str, str]:
    match config.auth:
        case Bearer(token=token):
            return {"token": token}
        case ClientCredentials(client_id=client_id, client_secret=client_secret):
            return {"client_id": client_id, "client_secret": client_secret}
        case None:
            return {}


def _header(config: ServerConfig, name: str, value: str) -> str:
    if not value.isascii() or not value.isprintable():
        raise ToolUnavailable(f"the value of {name} of server {config.name} cannot stand in a header")
    return value


class ClientCredentialsAuth(httpx2.Auth):
    """Bears a token of the client-credentials grant, RFC 6749 §4.4; one that is refused is renewed once.

    Tokens come through `client`, which is open to the token server alone.

    Raises:
        ToolUnavailable: The token server gives none.
    """

    def __init__(self, given: ClientCredentials, client: httpx2.AsyncClient, clock: Clock) -> None:
        self._given = given
        self._client = client
        self._clock = clock
        self._token = ""
        self._ends = 0.0
        self._asking = asyncio.Lock()

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        token = await self._fresh("")
        request.headers["authorization"] = f"Bearer {token}"
        response = yield request
        if response.status_code == UNAUTHORIZED:
            request.headers["authorization"] = f"Bearer {await self._fresh(token)}"
            yield request

    async def _fresh(self, refused: str) -> str:
        async with self._asking:  # many requests at once need one token
            if not self._token or self._token == refused or self._ends <= self._clock.monotonic():
                self._token, seconds = await self._ask()
                self._ends = self._clock.monotonic() + max(0.0, seconds - EARLY_SECONDS)
            return self._token

    async def _ask(self) -> tuple[str, float]:
        given = self._given
        form = {"grant_type": "client_credentials"}
        form |= {"scope": " ".join(given.scopes)} if given.scopes else {}
        form |= {"resource": given.resource} if given.resource else {}
        pair = (quote(given.client_id, safe=""), quote(given.client_secret, safe=""))
        headers = {"accept": "application/json"}
        try:
            answer = await self._client.post(
                given.token_url, data=form, auth=pair, headers=headers, follow_redirects=False
            )
            found: Json = answer.json() if answer.is_success else {}
        except (httpx2.HTTPError, ValueError) as error:
            raise ToolUnavailable(f"the token server does not answer: {type(error).__name__}") from None
        told = cast("JsonObject", found) if isinstance(found, dict) else {}
        token = told.get("access_token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise ToolUnavailable(f"the token server gives no token: HTTP {answer.status_code}")
        lasts = told.get("expires_in")
        return token, float(lasts) if isinstance(lasts, int | float) else UNTOLD_SECONDS

"""Bedrock's Converse API by AWS's own library. Importing this costs seconds; see `lazy`.

The library blocks, so each call waits in a thread; the stream of an abandoned call is shut down at once.
"""

from dataclasses import replace
from typing import Any

import anyio.to_thread
from botocore import UNSIGNED
from botocore.awsrequest import AWSRequest
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import BotoCoreError, NoCredentialsError
from botocore.session import Session
from pydantic_ai.models.bedrock import BedrockConverseModel, BedrockModelSettings
from pydantic_ai.providers.bedrock import BedrockProvider
from pydantic_ai.settings import ModelSettings

from ripieno.domain.errors import ModelRefused
from ripieno.domain.messages import ModelRequest
from ripieno.models.providers.bedrock.model import REGION, Account
from ripieno.models.wire import caching
from ripieno.models.wire.exchange import Exchange, basic_settings
from ripieno.models.wire.server import Server
from ripieno.models.wire.strictness import is_closed

CALLS = 256
"""Threads, and connections, for calls under way at the same time."""

CONNECT_SECONDS = 10.0


def opened(account: Account, server: Server) -> Exchange:
    """The models of an account.

    Raises:
        ModelRefused: There are no credentials, or the profile is unknown.
    """
    threads = anyio.to_thread.current_default_thread_limiter()
    threads.total_tokens = max(threads.total_tokens, CALLS)
    try:
        client = _client(account)
    except BotoCoreError as error:
        raise ModelRefused(f"Bedrock cannot be asked: {error}") from None
    return Exchange(replace(server, url=client.meta.endpoint_url), _Converse(client))


class _Converse:
    """`exchange.Dialect`."""

    errors: tuple[type[Exception], ...] = (BotoCoreError,)
    unsent: tuple[type[Exception], ...] = (BotoCoreError,)  # those after it come as the wire library's own
    strict = True
    marked = True

    def __init__(self, client: BaseClient) -> None:
        self._provider = BedrockProvider(bedrock_client=client)
        self._models: dict[str, BedrockConverseModel] = {}

    def model(self, name: str) -> BedrockConverseModel:
        if name not in self._models:
            self._models[name] = BedrockConverseModel(name, provider=self._provider)
        return self._models[name]

    def takes_format(self, request: ModelRequest, name: str) -> bool:
        """Where the model has formats, and the schema says the same in the subset that they are written in."""
        formats = self.model(name).profile.get("supports_json_schema_output", False)
        return formats and request.output_schema is not None and is_closed(request.output_schema)

    def settings(self, request: ModelRequest, name: str) -> ModelSettings:
        settings = BedrockModelSettings(**basic_settings(request))
        if caching.pays(request):  # the library leaves it out where the model has no cache
            settings["bedrock_cache_tool_definitions"] = True
            settings["bedrock_cache_instructions"] = True
            settings["bedrock_cache_messages"] = True
        del settings["timeout"]  # the library cannot be told; see `lazy` and `Account.timeout`
        profile = self.model(name).profile
        words = ("anthropic_disallows_sampling_settings", "bedrock_disallows_sampling_settings")
        if "temperature" in settings and any(profile.get(word, False) for word in words):
            del settings["temperature"]  # some models refuse it
        return settings


def _client(account: Account) -> BaseClient:
    core: Any = Session(profile=account.profile or None)
    if account.api_key:
        core.register("before-sign.bedrock-runtime", _Bearer(account.api_key))
    elif account.access_key_id:
        core.set_credentials(account.access_key_id, account.secret_access_key, account.session_token or None)
    elif core.get_credentials() is None:
        raise NoCredentialsError
    settings = Config(
        signature_version=UNSIGNED if account.api_key else "v4",
        connect_timeout=CONNECT_SECONDS,
        read_timeout=account.timeout,
        retries={"total_max_attempts": 1},  # a ring around all providers tries again
        max_pool_connections=CALLS,
        proxies={},  # as with all providers, requests go to exactly one server
    )
    region = account.region or core.get_config_variable("region") or REGION
    return core.create_client("bedrock-runtime", region, endpoint_url=account.base_url or None, config=settings)


class _Bearer:
    """Puts an API key into requests; the library itself would do so for HTTPS alone, and gateways may have none."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: AWSRequest, **_: object) -> None:
        request.headers["Authorization"] = f"Bearer {self._key}"

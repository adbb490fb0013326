"""Settings of models and of those who provide them."""

from importlib.util import find_spec
from typing import Literal

from pydantic import Field, SecretStr

from ripieno.models.catalogue import ModelSaid
from ripieno.settings.section import Section

OPENAI_URL = "https://api.openai.com/v1"
ANTHROPIC_URL = "https://api.anthropic.com"
OLLAMA_URL = "http://127.0.0.1:11434"


class ProviderSettings(Section):
    """Whose models can be called, and where."""

    api_key: SecretStr | None = None
    base_url: str = ""
    model: str = ""

    @property
    def elsewhere(self) -> bool:
        """Whether requests go to another server than the provider's own."""
        return self.base_url != type(self).model_fields["base_url"].default

    @property
    def configured(self) -> bool:
        """Whether there is a server to ask."""
        return self.api_key is not None or self.elsewhere

    @property
    def installed(self) -> bool:
        """Whether its packages are there."""
        return True

    @property
    def server(self) -> str:
        """Where requests go, to be shown."""
        return self.base_url


class AnthropicSettings(ProviderSettings):
    """The Anthropic provider, or any server that speaks its Messages API; `base_url` goes without `/v1`.

    It is used when there is a key, or another server's `base_url`, which may need none.
    """

    base_url: str = ANTHROPIC_URL
    model: str = "claude-sonnet-5-5"


class OpenAISettings(ProviderSettings):
    """The OpenAI provider, or any server that speaks its chat completions.

    It is used when there is a key, or another server's `base_url`, which may need none. `api` says what is spoken:
    `chat` is understood nearly everywhere, `responses` is what models need that OpenAI offers there alone.
    """

    base_url: str = OPENAI_URL
    model: str = "gpt-4o-mini"
    api: Literal["chat", "responses"] = "chat"


class BedrockSettings(ProviderSettings):
    """Models on AWS Bedrock, or a server with its Converse API at `base_url`; needs the extra `bedrock`.

    It is used when there are credentials: an `api_key`, an access key, or a `profile` of AWS's own files. Where a
    machine has a role, say which `model`, and its credentials are found. Without `region`, that of the profile, else
    us-east-1.
    """

    model: str = "global.anthropic.claude-sonnet-4-6"
    region: str = ""
    access_key_id: str = ""
    secret_access_key: SecretStr | None = None
    session_token: SecretStr | None = None
    profile: str = ""

    @property
    def configured(self) -> bool:
        """Whether there are credentials, or somebody wants it."""
        keys = bool(self.access_key_id) and self.secret_access_key is not None
        return (
            self.api_key is not None or keys or not self.model_fields_set.isdisjoint({"profile", "base_url", "model"})
        )

    @property
    def installed(self) -> bool:
        """Whether AWS's library is there."""
        return find_spec("botocore") is not None

    @property
    def server(self) -> str:
        """Where requests go, to be shown."""
        return self.base_url or f"AWS Bedrock {self.region}".strip()


class OllamaSettings(ProviderSettings):
    """Models on a machine of one's own, by Ollama; `base_url` goes with or without `/v1`.

    It is used when a `base_url` or a `model` is given. Calls cost nothing unless `models.prices` says so.
    """

    base_url: str = OLLAMA_URL
    model: str = "llama3.2"

    @property
    def configured(self) -> bool:
        """Whether somebody wants it: it is on many machines, and asks for no key."""
        return bool(self.model_fields_set)


class PriceSettings(Section):
    """Dollars for a million tokens."""

    input: float = Field(ge=0, allow_inf_nan=False)
    output: float = Field(ge=0, allow_inf_nan=False)


class ModelLimitSettings(Section):
    """Requests and tokens a minute, and calls at once."""

    rpm: int | None = Field(default=None, ge=1)
    tpm: int | None = Field(default=None, ge=1)
    concurrent: int | None = Field(default=None, ge=1)


class ModelSettings(Section):
    """Calls to models. `default` is `provider:model` or `offline`; unset, the first provider with credentials.

    `prices` go before the list prices: `"openai:mine" = {input = 0.5, output = 1.5}`. A model that has neither cannot
    be called under a budget in dollars. `catalogue` says what else there is to know of a model, where the built-in
    knowledge lacks or mistakes it: `"openai:mine" = {context_window = 32768, tools = false}`. `prompted` are models
    that cannot call tools and do it in words instead, as patterns: `["ollama:gemma*"]`. `limits` are by pattern too:
    `"openai:gpt-4o*" = {rpm = 500, tpm = 30000, concurrent = 20}`; the first that fits holds, each
    model for itself.

    `context_tokens` is how many tokens a model takes of which nobody knows that: longer conversations are made shorter.
    """

    default: str | None = None
    timeout_seconds: float = Field(default=120.0, gt=0)
    context_tokens: int | None = Field(default=128_000, ge=1000)
    attempts: int = Field(default=4, ge=1, le=20)
    prices: dict[str, PriceSettings] = Field(default_factory=dict[str, PriceSettings])
    catalogue: dict[str, ModelSaid] = Field(default_factory=dict[str, ModelSaid])
    prompted: tuple[str, ...] = ()
    limits: dict[str, ModelLimitSettings] = Field(default_factory=dict[str, ModelLimitSettings])

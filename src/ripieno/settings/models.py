"""Settings of models and of those who provide them."""

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


class AnthropicSettings(ProviderSettings):
    """The Anthropic provider, or any server that speaks its Messages API; `base_url` goes without `/v1`.

    It is used when there is a key, or another server's `base_url`, which may need none.
    """

    base_url: str = ANTHROPIC_URL
    model: str = "claude-sonnet-5-5"


class OpenAISettings(ProviderSettings):
    """The OpenAI provider, or any server that speaks its chat completions.

    It is used when there is a key, or another server's `base_url`, which may need none.
    """

    base_url: str = OPENAI_URL
    model: str = "gpt-4o-mini"


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


class ModelSettings(Section):
    """Calls to models. `default` is `provider:model` or `offline`; unset, the first provider with credentials.

    `prices` go before the list prices: `"openai:mine" = {input = 0.5, output = 1.5}`. A model that has neither cannot
    be called under a budget in dollars. `catalogue` says what else there is to know of a model, where the built-in
    knowledge lacks or mistakes it: `"openai:mine" = {context_window = 32768, tools = false}`. `prompted` are models
    that cannot call tools and do it in words instead, as patterns: `["ollama:gemma*"]`.
    """

    default: str | None = None
    timeout_seconds: float = Field(default=120.0, gt=0)
    attempts: int = Field(default=4, ge=1, le=20)
    prices: dict[str, PriceSettings] = Field(default_factory=dict[str, PriceSettings])
    catalogue: dict[str, ModelSaid] = Field(default_factory=dict[str, ModelSaid])
    prompted: tuple[str, ...] = ()

"""The whole tree of settings."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, model_validator

from ripieno.settings.artifacts import ArtifactSettings
from ripieno.settings.models import (
    AnthropicSettings,
    BedrockSettings,
    ModelSettings,
    OllamaSettings,
    OpenAISettings,
    ProviderSettings,
)
from ripieno.settings.people import ApprovalSettings, AuthSettings
from ripieno.settings.privacy import RedactionSettings
from ripieno.settings.section import Section
from ripieno.settings.telemetry import TelemetrySettings
from ripieno.settings.tools import ToolSettings
from ripieno.settings.work import (
    BudgetSettings,
    LimitSettings,
    LogSettings,
    RetentionSettings,
    SecretSettings,
    WorkerSettings,
)

Role = Literal["all", "api", "worker", "scheduler"]


class Settings(Section):
    """The whole tree.

    `database_url` (`postgresql://…`) takes the store from the data folder to a database that many processes share; each
    then has its `role`: `api` answers requests, `worker` works on runs, `scheduler` wakes what is due, `all` does
    everything. `dispatch_url` (`amqp://`, `redis://`, `nats://`, `kafka://`) carries hints between them in place of the
    database.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    data: Path = Path(".ripieno")
    config: Path = Path("config")
    body_bytes: int = Field(default=2_000_000, ge=1024)
    allowed_hosts: tuple[str, ...] = ()
    database_url: SecretStr | None = None
    dispatch_url: SecretStr | None = None
    role: Role = "all"
    auth: AuthSettings = AuthSettings()
    approvals: ApprovalSettings = ApprovalSettings()
    worker: WorkerSettings = WorkerSettings()
    limits: LimitSettings = LimitSettings()
    models: ModelSettings = ModelSettings()
    anthropic: AnthropicSettings = AnthropicSettings()
    openai: OpenAISettings = OpenAISettings()
    bedrock: BedrockSettings = BedrockSettings()
    ollama: OllamaSettings = OllamaSettings()
    tools: ToolSettings = ToolSettings()
    artifacts: ArtifactSettings = ArtifactSettings()
    budgets: BudgetSettings = BudgetSettings()
    secrets: SecretSettings = SecretSettings()
    retention: RetentionSettings = RetentionSettings()
    log: LogSettings = LogSettings()
    redaction: RedactionSettings = RedactionSettings()
    telemetry: TelemetrySettings = TelemetrySettings()

    @model_validator(mode="after")
    def _shared_only_where_there_is_a_database(self) -> "Settings":
        if self.database_url is None and (self.role != "all" or self.dispatch_url is not None):
            what = "dispatch_url" if self.role == "all" else f"role {self.role}"
            msg = f"{what} needs a database that processes share (database_url); SQLite is one process"
            raise ValueError(msg)
        return self

    @property
    def default_model(self) -> str:
        """The model of agents that name none."""
        if self.models.default:
            return self.models.default
        able = (f"{name}:{provider.model}" for name, provider in self.providers.items() if provider.installed)
        return next(able, "offline")

    @property
    def offline_by_default(self) -> bool:
        """Whether nobody says what the default model is, and no provider is set up here."""
        return self.models.default is None and self.default_model == "offline"

    @property
    def providers(self) -> dict[str, ProviderSettings]:
        """The providers that can be asked, by name; the first one that is installed has the default model."""
        known = {"anthropic": self.anthropic, "openai": self.openai, "bedrock": self.bedrock, "ollama": self.ollama}
        return {name: provider for name, provider in known.items() if provider.configured}

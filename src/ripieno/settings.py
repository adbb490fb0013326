"""Every setting, documented where it is declared.

Order, strongest first: command-line flag, `RIPIENO_*` variable (nested names joined by two underscores:
`RIPIENO_WORKER__SLOTS`), the provider's own familiar variable (`OPENAI_API_KEY`), `ripieno.toml` or the file that
`RIPIENO_TOML` names, the default here. An empty variable counts as one that is not there. Unknown names are refused,
with the nearest known one.
"""

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from ripieno.domain.approvals import LONGEST
from ripieno.domain.budgets import MOST, Budget, Caps, OnExceeded, Window
from ripieno.domain.errors import Invalid, Problem
from ripieno.domain.interrupts import ADMIN_ROLE, ROLE, OnExpiry, Terms
from ripieno.domain.principals import ANYBODY, DEFAULT_TENANT, SYSTEM
from ripieno.domain.retention import Kept
from ripieno.domain.tools import Risk

PREFIX = "RIPIENO_"
OPENAI_URL = "https://api.openai.com/v1"
ANTHROPIC_URL = "https://api.anthropic.com"
OLLAMA_URL = "http://127.0.0.1:11434"
KEY_LENGTH = 8
TAKEN = frozenset({"admin", ANYBODY, SYSTEM.id})
"""Names of principals that are no people of the settings."""

NO_SETTINGS = frozenset({"RIPIENO_TOML", "RIPIENO_URL", "RIPIENO_KEY"})
"""Variables that say where to look, not how to be."""

FAMILIAR = {
    "ANTHROPIC_API_KEY": "anthropic.api_key",
    "ANTHROPIC_BASE_URL": "anthropic.base_url",
    "ANTHROPIC_MODEL": "anthropic.model",
    "OPENAI_API_KEY": "openai.api_key",
    "OPENAI_BASE_URL": "openai.base_url",
    "OPENAI_MODEL": "openai.model",
    "OLLAMA_BASE_URL": "ollama.base_url",
    "OLLAMA_MODEL": "ollama.model",
}
"""Variables of other programs that are understood, and what they set."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _long_enough(key: SecretStr) -> SecretStr:
    if len(key.get_secret_value().strip()) < KEY_LENGTH:
        msg = f"a key needs at least {KEY_LENGTH} characters; leave it out to have none"
        raise ValueError(msg)
    return key


Key = Annotated[SecretStr, AfterValidator(_long_enough)]
PersonName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.@-]{0,62}$")]


class PersonSettings(_Section):
    """A person or program that calls: its key, its roles, its tenant."""

    key: Key
    roles: tuple[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")], ...] = ()
    tenant: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")] = DEFAULT_TENANT


class AuthSettings(_Section):
    """Who may call the API.

    `auto` asks for no key on a loopback address, which is for development, and refuses to bind any other without
    a key; `dev` is another name of it. `key` always asks for a key; `off` never does, and says so at each start. A key
    has at least 8 characters. `admin_key` is that of the administrator; `keys` gives other people and programs their
    own: by name (not `admin`, `local`, `system`), each a table `{key, roles, tenant}`. The role `admin` may decide
    whatever was put to others.
    """

    mode: Literal["auto", "key", "off"] = "auto"
    admin_key: Key | None = None
    keys: dict[PersonName, PersonSettings] = Field(default_factory=dict)

    @field_validator("mode", mode="before")
    @classmethod
    def _development(cls, mode: object) -> object:
        return "auto" if mode == "dev" else mode

    @model_validator(mode="after")
    def _one_key_and_one_name_each(self) -> "AuthSettings":
        if taken := sorted(TAKEN & self.keys.keys()):
            msg = f"the name {taken[0]} is taken: {', '.join(sorted(TAKEN))} are not people"
            raise ValueError(msg)
        keys = [self.admin_key, *(person.key for person in self.keys.values())]
        secrets = [key.get_secret_value() for key in keys if key is not None]
        if len(set(secrets)) < len(secrets):
            msg = "two have the same key; nobody could tell them apart"
            raise ValueError(msg)
        return self

    @property
    def has_key(self) -> bool:
        """Whether anybody can prove who they are."""
        return self.admin_key is not None or bool(self.keys)


class ApprovalSettings(_Section):
    """How approvals are given, where an agent's own list does not say it.

    `required` people must approve; with `exclude_requester` the one who started the run is not among them. `assignees`
    are the names and roles (`role:finance`) that may decide, none means everybody; whoever has the role `admin` always
    may. A question that nobody decides for `expires_seconds` is denied, or put to `escalate_to` once for as long again,
    or its run is cancelled.
    """

    required: int = Field(default=1, ge=1, le=20)
    exclude_requester: bool = False
    assignees: tuple[str, ...] = ()
    expires_seconds: float = Field(default=3 * 86400.0, gt=0, le=LONGEST)
    on_expiry: OnExpiry = OnExpiry.DENY
    escalate_to: tuple[str, ...] = Field(default=(f"{ROLE}{ADMIN_ROLE}",), min_length=1)

    def terms(self) -> Terms:
        """The same in the words of the domain."""
        return Terms(
            required=self.required,
            exclude_requester=self.exclude_requester,
            assignees=self.assignees,
            seconds=self.expires_seconds,
            on_expiry=self.on_expiry,
            escalate_to=self.escalate_to,
        )


class WorkerSettings(_Section):
    """How runs are worked on. Times are in seconds.

    Of the `slots`, runs of lane `batch` fill at most `batch_slots`, and together with those of lane `default` at most
    `default_slots`; the rest is kept for lane `interactive`. Unset, `batch_slots` is all but a tenth of the slots, and
    `default_slots` all of them.
    """

    slots: int = Field(default=100, ge=1, le=10_000)
    default_slots: int | None = Field(default=None, ge=1, le=10_000)
    batch_slots: int | None = Field(default=None, ge=1, le=10_000)
    poll_seconds: float = Field(default=2.0, gt=0)
    drain_seconds: float = Field(default=10.0, ge=0)


class LimitSettings(_Section):
    """What all workers together take on. Unset means no limit.

    `tenant_running` and `agent_running` are how many runs of a tenant or an agent may be under way at once, for those
    that have no limit of their own. While `queued` runs are queued, or `tenant_queued` of one tenant, no new ones are
    taken (503). A run that kills `deaths` workers in a row fails.
    """

    tenant_running: int | None = Field(default=None, ge=1)
    agent_running: int | None = Field(default=None, ge=1)
    queued: int | None = Field(default=100_000, ge=1)
    tenant_queued: int | None = Field(default=None, ge=1)
    deaths: int = Field(default=3, ge=1)


class ProviderSettings(_Section):
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


class PriceSettings(_Section):
    """Dollars for a million tokens."""

    input: float = Field(ge=0, allow_inf_nan=False)
    output: float = Field(ge=0, allow_inf_nan=False)


class ModelSettings(_Section):
    """Calls to models. `default` is `provider:model` or `offline`; unset, the first provider with credentials.

    `prices` go before the list prices: `"openai:mine" = {input = 0.5, output = 1.5}`. A model that has neither cannot
    be called under a budget in dollars. `prompted` are models that cannot call tools and do it in words instead, as
    patterns: `["ollama:gemma*"]`.
    """

    default: str | None = None
    timeout_seconds: float = Field(default=120.0, gt=0)
    attempts: int = Field(default=4, ge=1, le=20)
    prices: dict[str, PriceSettings] = Field(default_factory=dict[str, PriceSettings])
    prompted: tuple[str, ...] = ()


class RunBudgetSettings(_Section):
    """What a run may spend, together with the runs below it, where neither its agent nor its request says."""

    usd: float | None = Field(default=None, ge=0, le=MOST, allow_inf_nan=False)
    tokens: int | None = Field(default=None, ge=0, le=MOST)
    effects: int | None = Field(default=None, ge=0, le=MOST)
    on_exceeded: OnExceeded = OnExceeded.STOP


class TenantBudgetSettings(RunBudgetSettings):
    """What each tenant may spend in a day or month (UTC), unless it has a budget of its own for that."""

    seconds: float | None = Field(default=None, ge=0, le=MOST, allow_inf_nan=False)
    warn_at: float = Field(default=0.8, gt=0, le=1)


class BudgetSettings(_Section):
    """Budgets that hold without anybody setting them. `on_exceeded = "ask"` asks a person for more before it stops."""

    run: RunBudgetSettings = RunBudgetSettings()
    day: TenantBudgetSettings = TenantBudgetSettings()
    month: TenantBudgetSettings = TenantBudgetSettings()

    def of_tenants(self) -> Iterator[Budget]:
        """Those of tenants, of no tenant in particular."""
        for window, given in ((Window.DAY, self.day), (Window.MONTH, self.month)):
            caps = Caps.given(given.model_dump())
            if caps.measures:
                yield Budget("", "tenant", window, caps, given.on_exceeded, given.warn_at, set_by="settings")


class EgressSettings(_Section):
    """Where tools may go. A name with a leading dot means the domain and all below it; no `allow_domains` means any.

    `allow_origins` opens exact origins (`http://127.0.0.1:9000`), private addresses included.
    """

    allow_domains: tuple[str, ...] | None = None
    deny_domains: tuple[str, ...] = ()
    allow_origins: tuple[str, ...] = ()
    max_bytes: int = Field(default=5_000_000, ge=1024)


class ToolSettings(_Section):
    """Limits around every tool.

    `result_bytes` is how much of a result a model sees; calls with the risk `ask_from` or more need an approval.
    """

    result_bytes: int = Field(default=64_000, ge=256)
    ask_from: Risk = Risk.HIGH
    egress: EgressSettings = EgressSettings()


class SecretSettings(_Section):
    """The master keys of secrets.

    `master_keys` are `ID:BASE64` of 32 bytes each, the current one first. Without them they are in `key_file`, by
    default `keys/master` in the data folder, which is made when the first secret is set. Processes that share a
    database must be given one or the other.
    """

    master_keys: tuple[SecretStr, ...] = ()
    key_file: Path | None = None


class RetentionSettings(_Section):
    """For how many days what is over is kept; 0 keeps it for ever.

    A run goes with all runs below it, counted from the end of the last of them. Sessions go when they have no runs and
    nothing came to them for so long; `audit` is about the rows of who did what. With `archive`, each run is written to
    a compressed bundle in the data folder before it is deleted. The scheduler prunes every ten minutes.
    """

    runs: float = Field(default=0, ge=0)
    sessions: float = Field(default=0, ge=0)
    outbox: float = Field(default=30, ge=0)
    audit: float = Field(default=0, ge=0)
    dead_letters: float = Field(default=90, ge=0)
    archive: bool = False

    def kept(self) -> Kept:
        """As the store takes it."""
        return Kept(self.runs, self.sessions, self.outbox, self.audit, self.dead_letters, self.archive)


class LogSettings(_Section):
    """Logs go to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "text"] = "auto"


Role = Literal["all", "api", "worker", "scheduler"]


class Settings(_Section):
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
    ollama: OllamaSettings = OllamaSettings()
    tools: ToolSettings = ToolSettings()
    budgets: BudgetSettings = BudgetSettings()
    secrets: SecretSettings = SecretSettings()
    retention: RetentionSettings = RetentionSettings()
    log: LogSettings = LogSettings()

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
        return next((f"{name}:{provider.model}" for name, provider in self.providers.items()), "offline")

    @property
    def providers(self) -> dict[str, ProviderSettings]:
        """The providers that can be asked, by name; the first one has the default model."""
        known = {"anthropic": self.anthropic, "openai": self.openai, "ollama": self.ollama}
        return {name: provider for name, provider in known.items() if provider.configured}


def load(flags: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings; `flags` are dotted names with values (`{"worker.slots": 8}`), None means not given.

    Raises:
        Invalid: A name is unknown or a value does not fit; `problems` has one line for each.
    """
    environ = os.environ if environ is None else environ
    environ = {variable: value for variable, value in environ.items() if value.strip()}
    tree = _toml(environ.get("RIPIENO_TOML"))
    for variable, name in FAMILIAR.items():
        if variable in environ:
            _put(tree, name, environ[variable])
    for variable, value in environ.items():
        if variable.startswith(PREFIX) and variable not in NO_SETTINGS:
            _put(tree, variable.removeprefix(PREFIX).lower().replace("__", "."), _parsed(value))
    for name, value in (flags or {}).items():
        if value is not None:
            _put(tree, name, value)
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        raise Invalid("the settings are wrong", [_problem(item) for item in error.errors()]) from None


def names(kind: type[BaseModel] = Settings, prefix: str = "") -> Iterator[str]:
    """Every setting's dotted name."""
    for name, info in kind.model_fields.items():
        annotation = info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from names(annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _toml(named: str | None) -> dict[str, Any]:
    """The file that was named, which must be there, or the usual one, which need not."""
    path = Path(named or "ripieno.toml")
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        if named is None:
            return {}
        raise Invalid(f"there is no file {path}, which RIPIENO_TOML names") from None
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"{path} is not valid TOML: {error}") from None


def _put(tree: dict[str, Any], name: str, value: Any) -> None:
    *parents, last = name.split(".")
    for parent in parents:
        if not isinstance(tree.setdefault(parent, {}), dict):
            raise Invalid(f"setting {parent} is a single value; {name} cannot be set below it")
        tree = tree[parent]
    tree[last] = value


def _parsed(value: str) -> Any:
    """A variable holds one value, or a TOML array."""
    if value.startswith("["):
        try:
            return tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            return value
    return value


def _problem(item: Mapping[str, Any]) -> Problem:
    name = ".".join(str(part) for part in item["loc"])
    if item["type"] != "extra_forbidden":
        said = item["msg"].removeprefix("Value error, ")
        return Problem("/" + name.replace(".", "/"), f"{name}: {said}" if name else said)
    near = difflib.get_close_matches(name, list(names()), n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]}?" if near else ""
    return Problem("/" + name.replace(".", "/"), f"unknown setting {name}{hint}")

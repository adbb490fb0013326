"""Agents as people write them: YAML or JSON, checked here, pinned by version in every run."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator

from ripieno.domain import approvals, spelling
from ripieno.domain.approvals import ApprovalEntry
from ripieno.domain.budgets import MOST, OnExceeded
from ripieno.domain.interrupts import Terms
from ripieno.domain.jsons import Json, JsonObject, digest
from ripieno.domain.schedules import ScheduleSpec

AgentName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


class Mode(StrEnum):
    """How an agent runs."""

    AUTONOMOUS = "autonomous"
    COLLABORATIVE = "collaborative"
    CONTINUOUS = "continuous"
    SCHEDULED = "scheduled"


class Pattern(StrEnum):
    """How a team works together."""

    REVIEW = "review"


class AgentLimits(BaseModel):
    """What one run of the agent may use, and how many runs of it may be under way; None means no limit of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_turns: int = Field(default=20, ge=1, le=1000)
    seconds: float = Field(default=600.0, gt=0, le=7 * 86400)
    usd: float | None = Field(default=None, ge=0, le=MOST)
    tokens: int | None = Field(default=None, ge=0, le=MOST)
    effects: int | None = Field(default=None, ge=0, le=MOST)
    on_exceeded: OnExceeded = OnExceeded.STOP
    concurrency: int | None = Field(default=None, ge=1)


class AgentMemory(BaseModel):
    """What an agent remembers: `session` shows it the earlier exchanges of its session."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    session: bool = True
    collections: tuple[str, ...] = ()
    entities: bool = False


def _first(*names: str) -> AliasChoices:
    return AliasChoices(*names)


OLDER_KEYS = frozenset({"system_prompt", "approval_required_tools", "execution_mode", "llm_config", "schedule_config"})
"""Keys of older files that mean something here."""

OWN_WORDS = frozenset({"input_schema"})
"""Keys of older files that only look like a slip of one that means something."""


class AgentDefinition(BaseModel):
    """An agent or team.

    Keys that are not named here are kept in `metadata`, but one that looks like a slip of a known key is refused: a
    misspelt `approvals` must not mean that nobody is asked.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)

    name: AgentName
    description: str = ""
    role: str = ""
    instructions: str = Field(default="", validation_alias=_first("instructions", "system_prompt"))
    model: str | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    max_tokens: int | None = Field(default=None, ge=1)
    tools: tuple[str, ...] = ()
    approvals: tuple[ApprovalEntry, ...] = Field(
        default=(), validation_alias=_first("approvals", "approval_required_tools")
    )
    capabilities: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    mode: Mode = Field(default=Mode.AUTONOMOUS, validation_alias=_first("mode", "execution_mode"))
    pattern: Pattern | None = None
    members: tuple[str, ...] = ()
    max_reworks: int = Field(default=2, ge=0, le=10)
    limits: AgentLimits = AgentLimits()
    output_schema: JsonObject | None = None
    memory: AgentMemory = AgentMemory()
    schedule: ScheduleSpec | None = Field(default=None, validation_alias=_first("schedule", "schedule_config"))
    examples: tuple[str, ...] = ()
    metadata: dict[str, Json] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _older_keys(cls, raw: Any) -> Any:
        """Take `llm_config` apart and keep unknown keys as metadata."""
        if not isinstance(raw, dict):
            return raw
        document: dict[str, Any] = dict(raw)  # pyright: ignore[reportUnknownArgumentType]
        known = {*cls.model_fields, *OLDER_KEYS}
        spelling.refuse_slips(cls.__name__, {key: document[key] for key in document if key not in OWN_WORDS}, known)
        config = document.pop("llm_config", None)
        if isinstance(config, dict):
            document = _without_llm_config(document, config)  # pyright: ignore[reportUnknownArgumentType]
        extra = {key: document.pop(key) for key in list(document) if key not in known}
        if extra:
            document["metadata"] = {**document.get("metadata", {}), **extra}
        return document

    @model_validator(mode="after")
    def _team_is_whole(self) -> "AgentDefinition":
        if self.mode is Mode.COLLABORATIVE and not self.members:
            msg = "a collaborative agent needs members"
            raise ValueError(msg)
        return self

    @property
    def version(self) -> str:
        """The first 12 characters of the SHA-256 of the definition."""
        return digest(self.model_dump(mode="json"))[:12]

    def approval_patterns(self) -> tuple[str, ...]:
        """The tools that a person must approve."""
        return tuple(map(approvals.pattern, self.approvals))

    def approval_terms(self, tool: str, usual: Terms) -> Terms:
        """On which terms a call of this tool is approved."""
        return approvals.terms_for(tool, self.approvals, usual)

    @property
    def is_team(self) -> bool:
        """Whether it has members that work for it."""
        return self.mode is Mode.COLLABORATIVE


def _without_llm_config(document: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    name, provider = config.get("model"), config.get("provider")
    if name and "model" not in document:
        document["model"] = f"{provider}:{name}" if provider else name
    for key in ("temperature", "max_tokens"):
        if config.get(key) is not None:
            document.setdefault(key, config[key])
    rest = {
        key: value for key, value in config.items() if key not in {"model", "provider", "temperature", "max_tokens"}
    }
    if rest:
        document["metadata"] = {**document.get("metadata", {}), "llm_config": rest}
    return document


class DefinitionProblem(BaseModel):
    """A definition file that could not be used: where, and why."""

    model_config = ConfigDict(frozen=True)

    file: str
    line: int | None
    reason: str

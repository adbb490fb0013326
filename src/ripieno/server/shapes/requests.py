"""What clients may send. Unknown members are ignored, but not in limits, and not where one looks like a slip."""

from typing import Annotated, Any, ClassVar, cast

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from ripieno.domain import spelling
from ripieno.domain.budgets import MOST, OnExceeded
from ripieno.domain.errors import Invalid, Problem
from ripieno.domain.goals import goal_in, goal_key
from ripieno.domain.interrupts import Decision, DecisionKind, InterruptKind
from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.runs import Lane, Multitask
from ripieno.engine.api import StartRun
from ripieno.server.errors import ServerProblem

Goal = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100_000)]
Assignee = Annotated[str, StringConstraints(pattern=r"^[\w.@:-]{1,200}$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Body(BaseModel):
    """Base of everything that clients send."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    also_known: ClassVar[tuple[str, ...]] = ()

    @model_validator(mode="before")
    @classmethod
    def _nothing_misspelt(cls, raw: Any) -> Any:
        if isinstance(raw, dict):
            spelling.refuse_slips(cls.__name__, cast("dict[str, Any]", raw), (*cls.model_fields, *cls.also_known))
        return cast("Any", raw)


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Budget(_Strict):
    """What a run and the runs below it may use at most; when it is spent, the run stops or asks a person for more."""

    usd: float | None = Field(default=None, ge=0, le=MOST, allow_inf_nan=False)
    tokens: int | None = Field(default=None, ge=0, le=MOST)
    effects: int | None = Field(default=None, ge=0, le=MOST)
    on_exceeded: OnExceeded | None = None


class Constraints(_Strict):
    """Limits that tighten those of the agent. `seconds` is working time, `deadline` a moment."""

    max_turns: int | None = Field(default=None, ge=1, le=1000)
    seconds: float | None = Field(default=None, gt=0, le=7 * 86400)
    deadline: AwareDatetime | None = None
    budget: Budget = Budget()

    def limits(self) -> JsonObject:
        """Those that are set, by the names that the engine knows."""
        own = {"max_turns": self.max_turns, "seconds": self.seconds}
        budget = self.budget.model_dump(mode="json")
        return {key: value for key, value in {**own, **budget}.items() if value is not None}


class Attachment(Body):
    """A stored file to show to the agent."""

    artifact_id: Name


class RunOptions(Body):
    """What every request that starts a run may say beside its goal."""

    session_id: Name | None = None
    context: JsonObject = Field(default_factory=dict)
    constraints: Constraints = Constraints()
    attachments: list[Attachment] = Field(default_factory=list[Attachment], max_length=20)
    model: Name | None = None
    priority: int = Field(default=0, ge=-100, le=100)
    lane: Lane = Lane.DEFAULT
    multitask_strategy: Multitask = Field(
        default=Multitask.ENQUEUE, description="What becomes of this run while another of its session has not ended."
    )
    dry_run: bool = False
    stream_tokens: bool = False
    metadata: JsonObject = Field(default_factory=dict)

    def start(self, goal: str, agent: str | None, data: JsonObject | None = None) -> StartRun:
        """The engine's request."""
        return StartRun(
            goal=goal,
            agent=agent,
            session_id=self.session_id,
            context=self.context,
            data=data,
            attachments=tuple(each.artifact_id for each in self.attachments),
            limits=self.constraints.limits(),
            deadline=self.constraints.deadline,
            model=self.model,
            priority=self.priority,
            lane=self.lane,
            multitask=self.multitask_strategy,
            dry_run=self.dry_run,
            metadata={**self.metadata, "stream_tokens": True} if self.stream_tokens else self.metadata,
        )


class RunRequest(RunOptions):
    """Start a run of an agent. `input` is the goal, or an object that holds it beside structured material."""

    goal: Goal | None = None
    input: Json = None
    agent: Name | None = None
    agent_profile_id: Name | None = Field(default=None, description="Another name of `agent`.")
    workflow: Json = Field(default=None, description="Not part of this version.")

    @field_validator("input")
    @classmethod
    def _text_or_object(cls, value: Json) -> Json:
        if value is not None and not isinstance(value, str | dict):
            msg = "give a text or an object"
            raise ValueError(msg)
        return cast("Json", value)

    def to_start(self) -> StartRun:
        """The engine's request.

        Raises:
            ServerProblem: There is no goal, or something was asked for that this version does not have.
        """
        if self.workflow is not None:
            problems = [Problem("/workflow", "not part of this version")]
            raise ServerProblem("workflows_unavailable", "name an agent instead", problems)
        data = cast("JsonObject", self.input) if isinstance(self.input, dict) else None
        goal: Any = self.goal or (goal_in(data) if data else cast("Any", self.input))
        return self.start(required_goal(goal, "/goal"), self.agent or self.agent_profile_id, data)


class InvokeRequest(RunOptions):
    """Give an agent a task: `task_data` holds the goal as `prompt` and may hold more."""

    task_data: JsonObject

    def to_start(self, agent: str) -> StartRun:
        """The engine's request. Raises `ServerProblem` when there is no goal."""
        goal = required_goal(goal_in(self.task_data), "/task_data/prompt")
        rest = {key: value for key, value in self.task_data.items() if key != goal_key(self.task_data)}
        return self.start(goal, agent, rest or None)


class OrchestrateRequest(RunOptions):
    """Find the agent that fits a goal, and start it."""

    goal: Goal | None = None
    task: Json = Field(default=None, description="Another name of `goal`: a text, or an object that holds it.")
    agent_ids: list[Name] = Field(default_factory=list[str])

    def wanted(self) -> str:
        """The goal. Raises `ServerProblem` when there is none."""
        task = goal_in(cast("JsonObject", self.task)) if isinstance(self.task, dict) else self.task
        return required_goal(self.goal or task, "/goal")


def required_goal(goal: Any, pointer: str) -> str:
    """The goal, if there is one. Raises `ServerProblem` (422) when there is not."""
    if isinstance(goal, str) and goal.strip():
        return goal.strip()
    raise ServerProblem("invalid", "say what to do", [Problem(pointer, "a text is needed")])


class CancelRequest(Body):
    """Why a run is stopped."""

    reason: str = Field(default="", max_length=2000)


class ApproveRequest(Body):
    """Decide a run's only open approval, or the one that is named."""

    approved: bool
    reason: str | None = Field(default=None, max_length=2000)
    modified_arguments: JsonObject | None = None
    interrupt_id: Name | None = None

    def decision(self, by: str) -> Decision:
        """The same in the words of the domain."""
        kind = DecisionKind.APPROVE if self.approved else DecisionKind.DENY
        return Decision(kind, by, self.reason, self.modified_arguments if self.approved else None)


class AnswerRequest(Body):
    """Answer a run's only open question, or the one that is named."""

    answer: Json = Field(
        description="To a question anything that fits it; of an unknown effect `committed`, `retry` or `abandon`, or "
        "`{decision: committed, result?}`."
    )
    interrupt_id: Name | None = None

    def decision(self, kind: InterruptKind, by: str) -> Decision:
        """The same in the words of the domain. Raises `Invalid`."""
        if kind is not InterruptKind.UNKNOWN_EFFECT:
            return Decision(DecisionKind.ANSWER, by, answer=self.answer)
        said = cast("JsonObject", self.answer) if isinstance(self.answer, dict) else {"decision": self.answer}
        try:
            return DecideRequest.model_validate(said).to_decision(by)
        except ValidationError:
            words = "say committed, retry or abandon, or {decision: committed, result?}"
            raise Invalid("the answer does not fit an unknown effect", [Problem("/answer", words)]) from None


class DecideRequest(Body):
    """Decide an interrupt: `approve` or `deny`; `answer`; or, of an unknown effect, `committed`, `retry`, `abandon`."""

    also_known = ("approved", "modified_arguments")

    decision: DecisionKind
    reason: str | None = Field(default=None, max_length=2000)
    arguments: JsonObject | None = Field(default=None, description="Edited arguments of an approved call.")
    answer: Json = None
    amount: float | None = Field(default=None, gt=0, allow_inf_nan=False, description="For budgets: how much more.")
    result: Json = Field(default=None, description="What the call answered, for `committed`.")

    @model_validator(mode="before")
    @classmethod
    def _approved_means_approve(cls, raw: Any) -> Any:
        """Take the short form of `/runs/{id}/approve` too."""
        if not isinstance(raw, dict):
            return raw
        short = {**cast("dict[str, Any]", raw)}
        if "decision" in short or not isinstance(short.get("approved"), bool):
            return short
        short["decision"] = "approve" if short.pop("approved") else "deny"
        short.setdefault("arguments", short.pop("modified_arguments", None))
        return short

    def to_decision(self, by: str) -> Decision:
        """The same in the words of the domain."""
        answer = self.result if self.answer is None else self.answer
        return Decision(self.decision, by, self.reason, self.arguments, answer, amount=self.amount)


class DelegateRequest(Body):
    """Whom to put a question to: a name or `role:NAME`, or several."""

    to: list[Assignee] = Field(min_length=1, max_length=20)

    @field_validator("to", mode="before")
    @classmethod
    def _one_or_several(cls, to: Any) -> Any:
        return [to] if isinstance(to, str) else to


class ToolCallRequest(Body):
    """Call a tool outside any run."""

    arguments: JsonObject = Field(default_factory=dict)
    dry_run: bool = False

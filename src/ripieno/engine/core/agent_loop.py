"""One agent at work, decided without doing anything: think, call tools, observe, answer."""

import json
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

from ripieno.domain import jsons
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.effects import EffectClass
from ripieno.domain.errors import ContextExceeded, Problem
from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.messages import (
    AssistantMessage,
    Attachment,
    ModelRequest,
    Reply,
    SystemMessage,
    ToolMessage,
    UserMessage,
)
from ripieno.domain.runs import Evidence, ExitReason, Limits, RunError, RunInput, RunResult, RunStatus
from ripieno.domain.sessions import Exchange
from ripieno.domain.tools import ToolResult, ToolSpec, ToolStatus
from ripieno.engine.core.commands import (
    HANDOFF,
    AwaitChildren,
    CallEnded,
    CallModel,
    CallTools,
    ChildEnded,
    Command,
    ModelAnswered,
    ModelFailed,
    Outcome,
    PlannedCall,
    Program,
    child_of,
    expect,
    expect_all,
)
from ripieno.engine.core.handles import offered
from ripieno.engine.core.memory import Memory
from ripieno.engine.core.offering import shown_of, with_found
from ripieno.engine.core.spending import NO_MONEY
from ripieno.engine.core.tally import Tally
from ripieno.ports import SchemaCheck

MAX_CALLS_A_TURN = 32
MAX_REPAIRS = 2
SAME_CALL_TOLD = 3
SAME_CALL_STOPPED = 5
EXCERPT_CHARS = 2000

LAST_TURN = "This is your last turn: answer now with what you have; no tools can be called any more."
CITE = "Cite the tool results that support a statement by their ids in square brackets, like [t1c0]."


@dataclass(frozen=True, slots=True)
class Job:
    """Everything an agent's run depends on, pinned in its first entry. `instructions` are rendered."""

    definition: AgentDefinition
    input: RunInput
    instructions: str
    model: str
    limits: Limits
    tools: tuple[ToolSpec, ...] = ()
    history: tuple[Exchange, ...] = ()
    generation: int = 1
    model_seconds: float = 120.0
    """How long one model call may take."""
    window: int | None = None
    """How many tokens the model takes."""
    shown: tuple[str, ...] | None = None
    """The tools that the model is shown at first, where there is no room for all."""


def agent_loop(job: Job, check: SchemaCheck) -> Program:
    """Run an agent to its answer or to the limit that stops it."""
    return (yield from _Loop(job, check).run())


class _Loop:
    def __init__(self, job: Job, check: SchemaCheck) -> None:
        self.job = job
        self.check = check
        self.schema = job.input.output_schema or job.definition.output_schema
        self.tally = Tally(job.limits)
        self.memory = Memory(job.window)
        self.evidence: list[Evidence] = []
        self.seen: dict[str, int] = {}
        self.most_seen = 0
        self.repairs = 0
        self.effects = {spec.name: spec.effect for spec in job.tools}
        self.tools = shown_of(job.tools, job.shown)

    def run(self) -> Program:
        self._open()
        for turn in range(1, self.job.limits.max_turns + 1):
            last = turn == self.job.limits.max_turns
            if last and self.job.tools and turn > 1:
                self.memory.talk.add(UserMessage(LAST_TURN))
            answered = yield from self._think(turn, last=last)
            if isinstance(answered, ModelFailed):
                reason = ExitReason.BUDGET_EXCEEDED if answered.code in NO_MONEY else ExitReason.MODEL_ERROR
                return self._failed(reason, RunError(answered.code, answered.detail))
            reply = self._count(expect(ModelAnswered, answered))
            ended = (yield from self._use_tools(turn, reply)) if reply.tool_calls else self._answer(reply)
            ended = ended or self._over_limit()
            if ended is not None:
                return ended
        detail = f"no answer after {self.job.limits.max_turns} turns"
        return self._failed(ExitReason.MAX_TURNS, RunError("max_turns", detail))

    def _think(self, turn: int, *, last: bool) -> Generator[Command, Outcome, Outcome]:
        """What the model says, after the conversation was made shorter if it is too long for the model."""
        ask = self._ask(turn, last=last)
        if self.memory.is_full(ask.request):
            yield from self._compact(ask, 1)
            ask = self._ask(turn, last=last)
        answered = yield ask
        if isinstance(answered, ModelFailed) and answered.code == ContextExceeded.code:
            yield from self._compact(ask, 2)
            ask = self._ask(turn, last=last)
            answered = yield replace(ask, key=f"{ask.key}/again")
        self.memory.learn(ask.request, answered)
        return answered

    def _compact(self, ask: CallModel, number: int) -> Generator[Command, Outcome, None]:
        answered = yield from self.memory.compact(ask, number)
        if answered is not None:
            self._count(answered)

    def _count(self, answered: ModelAnswered) -> Reply:
        self.tally.usage += answered.reply.usage
        self.tally.busy_ms += answered.ms
        return answered.reply

    def _open(self) -> None:
        instructions = self.job.instructions
        if self.job.tools:
            instructions = f"{instructions}\n\n{CITE}".strip()
        if instructions:
            self.memory.talk.add(SystemMessage(instructions))
        for exchange in self.job.history:
            self.memory.talk.add(UserMessage(exchange.goal), AssistantMessage(exchange.answer))
        data = {**(self.job.input.data or {})}
        if self.job.input.context:
            data["context"] = self.job.input.context
        files = self.job.input.attachments
        shown = tuple(Attachment(file.media_type, file.name, artifact_id=file.id) for file in files)
        self.memory.aim(UserMessage(self.job.input.goal, data or None, shown))
        self.tools = offered(self.tools, files)

    def _ask(self, turn: int, *, last: bool) -> CallModel:
        definition = self.job.definition
        request = ModelRequest(
            model=self.job.model,
            messages=tuple(self.memory.talk.messages),
            tools=() if last and turn > 1 else self.tools,
            output_schema=self.schema,
            purpose=self.job.input.purpose,
            temperature=definition.temperature,
            max_tokens=definition.max_tokens,
            timeout=max(1.0, min(self.job.model_seconds, self.tally.seconds_left)),
            fingerprint=self.memory.talk.fingerprint,
        )
        return CallModel(f"g{self.job.generation}/turn/{turn}/model", request)

    def _use_tools(self, turn: int, reply: Reply) -> Generator[Command, Outcome, RunResult | None]:
        wanted = reply.tool_calls[:MAX_CALLS_A_TURN]
        self.tally.effects += sum(
            self.effects.get(call.name, EffectClass.READ) is not EffectClass.READ for call in wanted
        )
        if over := self._over_limit():
            return over
        prefix = f"g{self.job.generation}/turn/{turn}/call"
        planned = tuple(PlannedCall(f"{prefix}/{i}", call, f"t{turn}c{i}") for i, call in enumerate(wanted))
        outcomes = expect_all(CallEnded, (yield CallTools(planned)))
        self.tally.busy_ms += max(outcome.ms for outcome in outcomes)
        for outcome in outcomes:
            if outcome.result.status is ToolStatus.OVER_BUDGET:
                error = RunError("budget_exceeded", outcome.result.text)
                return self._failed(ExitReason.BUDGET_EXCEEDED, error)
        self.memory.talk.add(AssistantMessage(reply.text, wanted))
        for outcome in outcomes:
            self._observe(outcome)
        if self.most_seen >= SAME_CALL_STOPPED:
            detail = f"the same call was made {SAME_CALL_STOPPED} times with the same result"
            return self._failed(ExitReason.LOOP_DETECTED, RunError("loop_detected", detail))
        taken_over = (call for call, outcome in zip(planned, outcomes, strict=True) if is_handover(outcome))
        if call := next(taken_over, None):
            (ended,) = expect_all(ChildEnded, (yield AwaitChildren((child_of(call.key),))))
            return self._handed_over(ended.result)
        return None

    def _handed_over(self, theirs: RunResult) -> RunResult:
        """The answer of the agent that took over, with the evidence that it cites."""
        ours = self._ended(RunStatus.COMPLETED, ExitReason.COMPLETED, theirs.answer, theirs.value)
        return replace(ours, evidence=theirs.evidence)

    def _observe(self, outcome: CallEnded) -> None:
        call, result = outcome.call, outcome.result
        self.tools = offered(with_found(self.tools, self.job.tools, outcome), result.artifacts)
        self.memory.kept(outcome.evidence_id, result.artifacts)
        text = as_told(result)
        same = f"{call.name}\0{jsons.canonical(call.arguments)}\0{call.malformed}\0{text}"
        self.seen[same] = self.seen.get(same, 0) + 1
        self.most_seen = max(self.most_seen, self.seen[same])
        if self.seen[same] >= SAME_CALL_TOLD:
            text += (
                f"\n(You have made this very call {self.seen[same]} times with this same result. Do something else.)"
            )
        self.memory.talk.add(ToolMessage(call.id, call.name, text, outcome.evidence_id, is_error=not result.ok))
        self.evidence.append(
            Evidence(outcome.evidence_id, call.name, call.arguments, text[:EXCERPT_CHARS], ok=result.ok)
        )

    def _answer(self, reply: Reply) -> RunResult | None:
        if reply.finish_reason == "content_filter":
            return self._failed(ExitReason.MODEL_ERROR, RunError("content_filter", "the provider withheld the answer"))
        value, problems = self._read(reply)
        if not problems:
            return self._ended(RunStatus.COMPLETED, ExitReason.COMPLETED, reply.text, value)
        self.repairs += 1
        detail = "; ".join(f"{problem.pointer or '/'}: {problem.detail}" for problem in problems[:5])
        if self.repairs > MAX_REPAIRS:
            return self._failed(ExitReason.INVALID_OUTPUT, RunError("invalid_output", detail), reply.text)
        self.memory.talk.add(
            AssistantMessage(reply.text),
            UserMessage(f"That answer cannot be used: {detail}. Answer again, correctly and with nothing else."),
        )
        return None

    def _read(self, reply: Reply) -> tuple[Json, Sequence[Problem]]:
        """The structured value of an answer, or what is wrong with it."""
        if not reply.text.strip():
            return None, [Problem("", "the answer is empty")]
        if self.schema is None:
            return None, []
        return parse_structured(reply.text, self.schema, self.check)

    def _over_limit(self) -> RunResult | None:
        exceeded = self.tally.exceeded()
        return self._failed(*exceeded) if exceeded else None

    def _failed(self, reason: ExitReason, error: RunError, answer: str = "") -> RunResult:
        return replace(self._ended(RunStatus.FAILED, reason, answer), error=error)

    def _ended(self, status: RunStatus, reason: ExitReason, answer: str, value: Json = None) -> RunResult:
        return RunResult(
            status,
            reason,
            answer,
            value,
            tuple(self.evidence),
            self.tally.usage,
            effects=self.tally.effects,
            busy_ms=self.tally.busy_ms,
        )


def is_handover(outcome: CallEnded) -> bool:
    """Whether this call has handed the run over to another agent, which has answered."""
    return outcome.call.name.startswith(HANDOFF) and outcome.result.ok


def as_told(result: ToolResult) -> str:
    """A tool's result in the words that a model reads."""
    text = result.text if result.ok else f"{result.status.value}: {result.text}"
    return f"{text}\nhint: {result.hint}" if result.hint else text


def parse_structured(text: str, schema: JsonObject, check: SchemaCheck) -> tuple[Json, Sequence[Problem]]:
    """Read a JSON answer, also from within a code fence, and check it."""
    stripped = text.strip()
    if stripped.startswith("```"):
        stripped = stripped.partition("\n")[2].rpartition("```")[0]
    try:
        value = json.loads(stripped)
    except ValueError as error:
        return None, [Problem("", f"it is not JSON ({error})")]
    return value, check(schema, value)

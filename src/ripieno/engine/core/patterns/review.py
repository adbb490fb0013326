"""A team that plans, executes and reviews: plan → steps → draft → review → rework or deliver.

Every piece of work is a child run; the plan and each verdict are entries of the team's run. A claim that cites evidence
which does not exist is unsupported whatever the reviewer says.
"""

from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, replace

from pydantic import ValidationError

from ripieno.domain.agents import AgentDefinition
from ripieno.domain.entries import EntryType
from ripieno.domain.jsons import JsonObject, encode
from ripieno.domain.runs import Evidence, ExitReason, Limits, RunError, RunInput, RunResult, RunStatus
from ripieno.domain.teams import Plan, PlanStep, Review
from ripieno.engine.core.commands import (
    AwaitChildren,
    ChildEnded,
    ChildStarted,
    Command,
    Note,
    Outcome,
    Program,
    StartChild,
    expect,
    expect_all,
)
from ripieno.engine.core.patterns.scrutiny import held_to_evidence, objections, plan_problems
from ripieno.engine.core.tally import Tally

MAX_PLANS = 2
PLAN_SCHEMA = Plan.model_json_schema()
REVIEW_SCHEMA = Review.model_json_schema()


@dataclass(frozen=True, slots=True)
class Member:
    """A member of the team as its planner sees it."""

    name: str
    role: str
    description: str
    capabilities: tuple[str, ...]
    tools: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TeamJob:
    """Everything a team's run depends on, pinned in its first entry."""

    definition: AgentDefinition
    members: tuple[Member, ...]
    input: RunInput
    limits: Limits
    generation: int = 1

    @property
    def workers(self) -> tuple[Member, ...]:
        """Those who carry out plan steps: everybody but planner and reviewer."""
        return tuple(member for member in self.members if member.role not in {"planner", "reviewer"})


class _Over(Exception):
    """The team cannot go on; carries how it ended."""

    def __init__(self, reason: ExitReason, error: RunError) -> None:
        super().__init__(error.detail)
        self.reason = reason
        self.error = error


def review_team(job: TeamJob) -> Program:
    """Run a team to an accepted answer, or to the best one after its last allowed rework."""
    return (yield from _Team(job).run())


class _Team:
    def __init__(self, job: TeamJob) -> None:
        self.job = job
        self.prefix = f"g{job.generation}"
        self.tally = Tally(job.limits)
        self.ended: dict[str, ChildEnded] = {}
        self.evidence: list[Evidence] = []

    def run(self) -> Program:
        try:
            plan = yield from self._plan()
            yield from self._carry_out(plan)
            draft, review = yield from self._draft_and_review(plan)
            delivery = yield from self._deliver(plan, draft)
        except _Over as over:
            return self._result(RunStatus.FAILED, over.reason, "", None, over.error)
        accepted = review.verdict == "accept"
        value = {
            "accepted": accepted,
            "plan": plan.model_dump(mode="json"),
            "review": review.model_dump(mode="json"),
            "deliverable": delivery,
        }
        answer = draft if accepted else f"{draft}\n\n{objections(review)}"
        if delivery is not None and not delivery["written"]:
            answer += f"\n\n{delivery['path']} was not written: {delivery['answer']}"
        return self._result(RunStatus.COMPLETED, ExitReason.COMPLETED, answer, value)

    # -- plan ----------------------------------------------------------------------------------------------------

    def _plan(self) -> Generator[Command, Outcome, Plan]:
        data: JsonObject = {"goal": self.job.input.goal, "agents": [encode(member) for member in self.job.workers]}
        if self.job.input.context:
            data["context"] = self.job.input.context
        problems: tuple[str, ...] = ()
        for attempt in range(1, MAX_PLANS + 1):
            name = "plan" if attempt == 1 else f"plan-{attempt}"
            planner = self._holder("planner")
            ended = yield from self._child(name, planner, _planning({**data, "issues": [*problems]}))
            plan, problems = self._read_plan(self._must(ended, "the planner"))
            if plan is not None:
                yield Note(f"{self.prefix}/plan", EntryType.TEAM_PLANNED, {"plan": plan.model_dump(mode="json")})
                return plan
        raise _Over(ExitReason.INVALID_OUTPUT, RunError("invalid_plan", "; ".join(problems)))

    def _read_plan(self, result: RunResult) -> tuple[Plan | None, tuple[str, ...]]:
        try:
            plan = Plan.model_validate(result.value)
        except ValidationError as error:
            return None, tuple(f"{item['loc']}: {item['msg']}" for item in error.errors())
        problems = tuple(plan_problems(plan.steps, {member.name for member in self.job.workers}))
        return (None, problems) if problems else (plan, ())

    # -- steps ---------------------------------------------------------------------------------------------------

    def _carry_out(self, plan: Plan) -> Generator[Command, Outcome, None]:
        started: set[str] = set()
        while len(self._done(plan)) < len(plan.steps):
            done = self._done(plan)
            for step in plan.steps:
                if step.id not in started and done.keys() >= set(step.needs):
                    started.add(step.id)
                    yield from self._start(f"step/{step.id}", step.agent, self._step_input(step, done))
            running = started - done.keys()
            yield from self._await([f"step/{name}" for name in sorted(running)])
        for step in plan.steps:
            self._collect(step.id, self.ended[self._key(f"step/{step.id}")].result)

    def _done(self, plan: Plan) -> dict[str, RunResult]:
        keys = {step.id: self._key(f"step/{step.id}") for step in plan.steps}
        return {name: self.ended[key].result for name, key in keys.items() if key in self.ended}

    def _step_input(self, step: PlanStep, done: Mapping[str, RunResult]) -> RunInput:
        results = {name: done[name].answer or _reason(done[name]) for name in step.needs}
        return RunInput(step.goal, {"team_goal": self.job.input.goal, "results": results})

    # -- draft, review, deliver ----------------------------------------------------------------------------------

    def _draft_and_review(self, plan: Plan) -> Generator[Command, Outcome, tuple[str, Review]]:
        draft, review = "", Review(verdict="rework")
        for attempt in range(1, self.job.definition.max_reworks + 2):
            draft = yield from self._draft(plan, attempt, draft, review)
            review = yield from self._review(plan, attempt, draft)
            body = {"review": review.model_dump(mode="json"), "round": attempt}
            yield Note(f"{self.prefix}/review/{attempt}", EntryType.TEAM_REVIEWED, body)
            if review.verdict == "accept":
                break
        return draft, review

    def _draft(self, plan: Plan, attempt: int, previous: str, review: Review) -> Generator[Command, Outcome, str]:
        data: JsonObject = {
            "goal": self.job.input.goal,
            "results": [self._step_outcome(step) for step in plan.steps],
            "evidence": [encode(item) for item in self.evidence],
            "issues": [*review.issues, *(f"unsupported: {claim.claim}" for claim in review.unsupported_claims)],
            "previous_draft": previous,
        }
        executor = self._holder("executor")
        ended = yield from self._child(f"draft-{attempt}", executor, RunInput(_COMPOSE, data, "compose"))
        result = self._must(ended, "the executor")
        self._collect(f"draft-{attempt}", result)
        return result.answer

    def _review(self, plan: Plan, attempt: int, draft: str) -> Generator[Command, Outcome, Review]:
        data: JsonObject = {
            "goal": self.job.input.goal,
            "plan": plan.model_dump(mode="json"),
            "evidence": [encode(item) for item in self.evidence],
            "draft": draft,
        }
        reviewer = self._holder("reviewer")
        ended = yield from self._child(
            f"review-{attempt}", reviewer, RunInput(_REVIEW, data, "review", output_schema=REVIEW_SCHEMA)
        )
        result = self._must(ended, "the reviewer")
        try:
            review = Review.model_validate(result.value)
        except ValidationError:
            review = Review(verdict="rework", issues=("the reviewer gave no usable verdict",))
        return held_to_evidence(review, draft, {item.id for item in self.evidence})

    def _deliver(self, plan: Plan, draft: str) -> Generator[Command, Outcome, JsonObject | None]:
        if plan.deliverable is None:
            return None
        path = plan.deliverable.path
        goal = f"Save the accepted answer as {path}."
        executor = self._holder("executor")
        ended = yield from self._child("deliver", executor, RunInput(goal, {"path": path, "content": draft}, "deliver"))
        self._collect("deliver", ended.result)
        written = any(item.ok for item in ended.result.evidence)
        return {"path": path, "written": written, "answer": ended.result.answer or _reason(ended.result)}

    # -- children ------------------------------------------------------------------------------------------------

    def _holder(self, role: str) -> str:
        """The member that has a role."""
        for member in self.job.members:
            if member.role == role:
                return member.name
        detail = f"team {self.job.definition.name} has no member with the role {role}"
        raise _Over(ExitReason.DEFECT, RunError("incomplete_team", detail))

    def _key(self, name: str) -> str:
        return f"{self.prefix}/child/{name}"

    def _start(self, name: str, agent: str, task: RunInput) -> Generator[Command, Outcome, None]:
        task = replace(task, model=self.job.input.model, limits=self.tally.left())
        expect(ChildStarted, (yield StartChild(self._key(name), agent, task)))

    def _await(self, names: Iterable[str]) -> Generator[Command, Outcome, None]:
        outcome = yield AwaitChildren(tuple(self._key(name) for name in names))
        together = expect_all(ChildEnded, outcome)
        for ended in together:
            self.ended[ended.key] = ended
            self.tally.usage += ended.result.usage
            self.tally.effects += ended.result.effects
        self.tally.busy_ms += max(ended.result.busy_ms for ended in together)
        if exceeded := self.tally.exceeded():
            raise _Over(*exceeded)

    def _child(self, name: str, agent: str, task: RunInput) -> Generator[Command, Outcome, ChildEnded]:
        yield from self._start(name, agent, task)
        yield from self._await([name])
        return self.ended[self._key(name)]

    def _must(self, ended: ChildEnded, who: str) -> RunResult:
        result = ended.result
        if result.status is not RunStatus.COMPLETED:
            code = result.error.code if result.error else result.exit_reason.value
            raise _Over(result.exit_reason, RunError(code, f"{who} failed: {_reason(result)}"))
        return result

    def _collect(self, name: str, result: RunResult) -> None:
        self.evidence += [replace(item, id=f"{name}/{item.id}") for item in result.evidence]

    def _step_outcome(self, step: PlanStep) -> JsonObject:
        result = self.ended[self._key(f"step/{step.id}")].result
        answer = result.answer or _reason(result)
        return {"step": step.id, "agent": step.agent, "status": result.status.value, "answer": answer}

    def _result(
        self,
        status: RunStatus,
        reason: ExitReason,
        answer: str,
        value: JsonObject | None,
        error: RunError | None = None,
    ) -> RunResult:
        return RunResult(
            status,
            reason,
            answer,
            value,
            tuple(self.evidence),
            self.tally.usage,
            error,
            effects=self.tally.effects,
            busy_ms=self.tally.busy_ms,
        )


def _planning(data: JsonObject) -> RunInput:
    return RunInput(_PLAN, data, "plan", output_schema=PLAN_SCHEMA)


def _reason(result: RunResult) -> str:
    return result.error.detail if result.error else f"ended as {result.status.value}"


_PLAN = (
    "Plan how this team reaches the goal in the data below. Give each step to the agent that fits it best; steps that "
    "do not need each other's answers get no needs, so that they run side by side. Name a deliverable only if the goal "
    "asks for a file."
)
_COMPOSE = (
    "Write the answer to the goal from the results and the evidence below. Every statement must cite the ids of the "
    "evidence that bears it in square brackets. Mend what the issues name."
)
_REVIEW = (
    "Judge the draft against the goal and the evidence below. List its claims with the evidence ids that bear them; a "
    "claim that its evidence does not bear is unsupported. Accept only a draft that answers the goal and has no "
    "unsupported claims."
)

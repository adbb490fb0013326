"""What a run and all runs below it are doing: events folded into a picture of the team at work.

Nothing here reads a clock or prints. Feed it the events of a family of runs, those of each run in order.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from ripieno.cli.events import Event
from ripieno.domain.entries import EntryType
from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.teams import Deliverable, PlanStep
from ripieno.engine.core.agent_loop import MAX_CALLS_A_TURN

RUNNING = "running"


@dataclass(slots=True)
class Call:
    """A tool call. `status` is None until it has returned; `ms` is how long the tool took."""

    key: str
    tool: str
    arguments: JsonObject
    asked_at: datetime
    returned_at: datetime | None = None
    ms: float | None = None
    status: str | None = None
    text: str = ""
    effect: str = "read"

    @property
    def ok(self) -> bool:
        """Whether it returned what was asked for."""
        return self.status == "ok"


@dataclass(slots=True)
class Question:
    """What a run asks a person. `decision` is what the person said, once somebody has."""

    id: str
    run_id: str
    key: str
    agent: str
    kind: str
    request: JsonObject
    risk: str
    reasons: tuple[str, ...]
    at: datetime
    terms: JsonObject = field(default_factory=dict[str, Json])
    decision: JsonObject | None = None

    @property
    def tool(self) -> str:
        """The tool that the run wants to call, where it is about one."""
        return str(self.request.get("tool", ""))

    @property
    def arguments(self) -> JsonObject:
        """The arguments of that call."""
        return self.request.get("arguments") or {}


@dataclass(slots=True)
class Verdict:
    """What a reviewer said of a draft."""

    round: int
    accepted: bool
    issues: tuple[str, ...]


@dataclass(slots=True)
class Work:
    """One run of the family. `name` is its place in the team: `plan`, `step/disk`, `draft-1`, `review-1`, `deliver`."""

    run_id: str
    agent: str = ""
    goal: str = ""
    purpose: str = "act"
    name: str = ""
    model: str = ""
    parent_id: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    status: str = RUNNING
    calls: dict[str, Call] = field(default_factory=dict[str, Call])
    plan: tuple[PlanStep, ...] = ()
    deliverable: Deliverable | None = None
    verdicts: list[Verdict] = field(default_factory=list[Verdict])
    model_calls: int = 0
    tokens: int = 0
    cost_usd: float = 0.0
    answer: str = ""
    value: Json = None
    error: str = ""

    @property
    def ended(self) -> bool:
        """Whether it is over, well or not."""
        return self.status != RUNNING


class Story:
    """The family of one run, as far as its events have come."""

    def __init__(self, root_id: str) -> None:
        self.root = Work(root_id)
        self.works: dict[str, Work] = {root_id: self.root}
        self.questions: dict[str, Question] = {}

    def apply(self, event: Event) -> None:
        """Take the next event. Types that are not known are passed over."""
        if fold := _FOLDS.get(event.type):
            fold(self, self.works.setdefault(event.run_id, Work(event.run_id)), event)

    @property
    def pending(self) -> list[Question]:
        """What waits for a person, oldest first."""
        return [item for item in self.questions.values() if item.decision is None and not self._over(item)]

    @property
    def stalled(self) -> bool:
        """Whether nothing can go on before a person decides."""
        asking = {question.run_id for question in self.pending}
        parents = {work.parent_id for work in self.works.values() if not work.ended}
        leaves = [work for work in self.works.values() if not work.ended and work.run_id not in parents]
        return bool(leaves) and all(work.run_id in asking and not self._busy(work) for work in leaves)

    def children(self, work: Work) -> list[Work]:
        """The runs that this one started, in order."""
        return [child for child in self.works.values() if child.parent_id == work.run_id]

    def calls(self) -> Iterator[Call]:
        """Every tool call of the family."""
        for work in self.works.values():
            yield from work.calls.values()

    def waiting(self, call: Call, work: Work) -> bool:
        """Whether a person must say yes before this call happens."""
        return any(item.run_id == work.run_id and item.key.startswith(f"{call.key}/") for item in self.pending)

    def _busy(self, work: Work) -> bool:
        """Whether a run that asks a person has something else under way."""
        return any(call.status is None and not self.waiting(call, work) for call in work.calls.values())

    def _over(self, question: Question) -> bool:
        return self.works[question.run_id].ended


# -- one fold for each type of event ---------------------------------------------------------------------------------


def _started(_: Story, work: Work, event: Event) -> None:
    work.agent, work.goal = event.body["agent"], event.body["goal"]
    work.purpose, work.model = event.body["purpose"], event.body["model"] or ""
    work.started_at = work.started_at or event.at


def _replied(_: Story, work: Work, event: Event) -> None:
    reply = event.body["reply"]
    usage = reply["usage"]
    work.model_calls += 1
    work.tokens += usage["input_tokens"] + usage["output_tokens"]
    work.cost_usd += usage["cost_usd"]
    work.model = reply["model"] or work.model
    turn = event.key.removesuffix("/model")
    for place, call in enumerate(reply["tool_calls"][:MAX_CALLS_A_TURN]):
        key = f"{turn}/call/{place}"
        work.calls.setdefault(key, Call(key, call["name"], call["arguments"], event.at))


def _intended(_: Story, work: Work, event: Event) -> None:
    call = _call(work, event, event.key.rpartition("/intent/")[0], event.body["tool"])
    call.arguments, call.effect = event.body["arguments"], event.body["effect"]


def _returned(_: Story, work: Work, event: Event) -> None:
    result = event.body["result"]
    call = _call(work, event, event.key, event.body["call"]["name"])
    call.arguments, call.effect = event.body["call"]["arguments"], event.body["effect"]
    call.returned_at, call.ms = event.at, event.body["ms"]
    call.status, call.text = result["status"], result["text"]


def _call(work: Work, event: Event, key: str, tool: str) -> Call:
    return work.calls.setdefault(key, Call(key, tool, {}, event.at))


def _asked(story: Story, work: Work, event: Event) -> None:
    body = event.body
    story.questions[body["interrupt_id"]] = Question(
        id=body["interrupt_id"],
        run_id=event.run_id,
        key=event.key,
        agent=work.agent,
        kind=body["kind"],
        request=body["request"],
        risk=body["risk"],
        reasons=tuple(body["reasons"]),
        at=event.at,
        terms=body.get("terms") or {},
    )


def _decided(story: Story, _: Work, event: Event) -> None:
    question = story.questions.get(event.body["interrupt_id"])
    if question is not None:
        question.decision = event.body["decision"]


def _withdrawn(story: Story, _: Work, event: Event) -> None:
    """Nobody needs to answer it any more."""
    story.questions.pop(event.body["interrupt_id"], None)


def _child_started(story: Story, work: Work, event: Event) -> None:
    body = event.body
    child = story.works.setdefault(body["child_run_id"], Work(body["child_run_id"]))
    child.agent, child.goal, child.purpose = body["agent"], body["goal"], body["purpose"]
    child.name = event.key.partition("/child/")[2]
    child.parent_id, child.started_at = work.run_id, event.at


def _child_ended(story: Story, _: Work, event: Event) -> None:
    """A child says by itself how it ended; this is for one whose own events have not come yet."""
    child = story.works.setdefault(event.body["child_run_id"], Work(event.body["child_run_id"]))
    if not child.ended:
        _end(child, event)


def _planned(_: Story, work: Work, event: Event) -> None:
    plan = event.body["plan"]
    work.plan = tuple(PlanStep.model_validate(step) for step in plan["steps"])
    work.deliverable = Deliverable.model_validate(plan["deliverable"]) if plan.get("deliverable") else None


def _reviewed(_: Story, work: Work, event: Event) -> None:
    review = event.body["review"]
    unsupported = tuple(f"not supported: {claim['claim']}" for claim in review.get("unsupported_claims", ()))
    issues = (*review.get("issues", ()), *unsupported)
    work.verdicts.append(Verdict(event.body["round"], review["verdict"] == "accept", issues))


def _ended(_: Story, work: Work, event: Event) -> None:
    _end(work, event)


def _retried(story: Story, work: Work, event: Event) -> None:
    """What was open when the run ended is asked and begun anew."""
    del event
    work.status, work.ended_at, work.error = RUNNING, None, ""
    void = [item.id for item in story.questions.values() if item.run_id == work.run_id and item.decision is None]
    for question_id in void:
        del story.questions[question_id]
    work.calls = {key: call for key, call in work.calls.items() if call.status is not None}


def _end(work: Work, event: Event) -> None:
    result = event.body["result"]
    error = result.get("error")
    work.status, work.ended_at = result["status"], event.at
    work.answer, work.value = result["answer"], result.get("value")
    work.error = f"{error['code']}: {error['detail']}" if error else ""


_FOLDS: dict[str, Callable[[Story, Work, Event], None]] = {
    EntryType.RUN_STARTED: _started,
    EntryType.MODEL_REPLIED: _replied,
    EntryType.EFFECT_INTENDED: _intended,
    EntryType.TOOL_RETURNED: _returned,
    EntryType.INTERRUPT_OPENED: _asked,
    EntryType.INTERRUPT_DECIDED: _decided,
    EntryType.INTERRUPT_WITHDRAWN: _withdrawn,
    EntryType.CHILD_STARTED: _child_started,
    EntryType.CHILD_ENDED: _child_ended,
    EntryType.TEAM_PLANNED: _planned,
    EntryType.TEAM_REVIEWED: _reviewed,
    EntryType.RUN_COMPLETED: _ended,
    EntryType.RUN_FAILED: _ended,
    EntryType.RUN_CANCELLED: _ended,
    EntryType.RUN_RETRIED: _retried,
}

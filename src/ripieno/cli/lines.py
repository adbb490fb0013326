"""One event, one line: what is printed where there is no terminal. Stable enough to grep."""

from collections.abc import Callable
from datetime import tzinfo

from ripieno.cli import wording
from ripieno.cli.events import Event
from ripieno.cli.story import Call, Question, Story, Work
from ripieno.domain.entries import EntryType

STRUCTURED = frozenset({"plan", "review"})
"""Purposes whose answers are JSON for the team, which tells by an event of its own what they say."""


def line(event: Event, story: Story, zone: tzinfo | None = None) -> str | None:
    """The line of an event that the story has taken already; None where another event says the same better."""
    work = story.works[event.run_id]
    say = _SAYINGS.get(event.type)
    words = say(story, work, event) if say else event.type
    return f"[{event.at.astimezone(zone):%H:%M:%S}] {work.agent or event.run_id} {words}" if words else None


def outcome(call: Call) -> str:
    """What a returned call brought, in one line."""
    text = wording.one_line("; ".join(filter(None, map(str.strip, call.text.splitlines()))), 140)
    return text if call.ok else f"{call.status}: {text}"


def request(question: Question) -> str:
    """What a run asks, in one line."""
    about = f"{question.tool} {wording.arguments(question.arguments)}" if question.tool else _asked_text(question)
    reasons = f": {'; '.join(question.reasons)}" if question.reasons else ""
    return f"{about} (risk {question.risk}{wording.one_line(reasons, 200)})"


def _asked_text(question: Question) -> str:
    asked = question.request.get("question") or question.request.get("description") or ""
    return wording.one_line(str(asked), 200)


# -- one saying for each type of event -------------------------------------------------------------------------------


def _started(_: Story, work: Work, event: Event) -> str:
    if work.parent_id is not None:
        return ""
    return f"started {event.run_id} on {work.model or 'no model'}: {wording.one_line(work.goal)}"


def _replied(_: Story, work: Work, event: Event) -> str:
    reply = event.body["reply"]
    if not reply["tool_calls"]:
        text = "" if work.purpose in STRUCTURED else f": {wording.one_line(reply['text'])}"
        return f"answered ({work.model}){text}"
    wishes = ", ".join(wording.one_line(str(call["name"]), 60) for call in reply["tool_calls"])
    return f"asks for {wishes}"


def _model_failed(_: Story, __: Work, event: Event) -> str:
    return f"got no answer from its model: {event.body['code']}: {wording.one_line(event.body['detail'])}"


def _intended(_: Story, __: Work, event: Event) -> str:
    body = event.body
    again = f", attempt {body['attempt']}" if body["attempt"] > 1 else ""
    return f"begins {body['tool']} ({body['effect']}{again})"


def _returned(_: Story, work: Work, event: Event) -> str:
    call = work.calls[event.key]
    took = wording.duration((call.ms or 0.0) / 1000)
    return f"called {call.tool} {wording.arguments(call.arguments)} → {outcome(call)} ({took})"


def _asked(story: Story, _: Work, event: Event) -> str:
    question = story.questions[event.body["interrupt_id"]]
    return f"waits for a person: {question.kind} {question.id}: {request(question)}"


def _decided(_: Story, __: Work, event: Event) -> str:
    decision = event.body["decision"]
    reason = f": {wording.one_line(decision['reason'])}" if decision.get("reason") else ""
    edited = " with other arguments" if decision.get("arguments") is not None else ""
    return f"was told {decision['kind']} by {decision['decided_by']}{edited}{reason}"


def _withdrawn(_: Story, __: Work, event: Event) -> str:
    return f"takes {event.body['kind']} {event.body['interrupt_id']} back: it need not be decided any more"


def _child_started(_: Story, __: Work, event: Event) -> str:
    name = event.key.partition("/child/")[2]
    goal = f": {wording.one_line(event.body['goal'])}" if event.body["purpose"] == "act" else ""
    return f"gives {name} to {event.body['agent']}{goal}"


def _silent(_: Story, __: Work, ___: Event) -> str:
    return ""


def _planned(_: Story, work: Work, __: Event) -> str:
    steps = ", ".join(f"{step.id} ({step.agent})" for step in work.plan)
    file = f"; then the file {work.deliverable.path}" if work.deliverable else ""
    return f"planned {wording.count(len(work.plan), 'step')}: {wording.one_line(steps + file, 400)}"


def _reviewed(_: Story, work: Work, __: Event) -> str:
    verdict = work.verdicts[-1]
    said = "accepted" if verdict.accepted else "sent back"
    issues = f": {wording.one_line('; '.join(verdict.issues), 300)}" if verdict.issues else ""
    return f"review {verdict.round}: {said}{issues}"


def _ended(_: Story, work: Work, __: Event) -> str:
    took = (work.ended_at - work.started_at).total_seconds() if work.ended_at and work.started_at else 0.0
    error = f": {wording.one_line(work.error)}" if work.error else ""
    return f"{work.status} after {wording.duration(took)}{error}"


def _retried(_: Story, __: Work, event: Event) -> str:
    body = event.body
    place = f" from {body['from']}" if body["from"] is not None else ""
    why = f": {wording.one_line(body['reason'])}" if body["reason"] else ""
    return f"is retried by {body['by']}{place}{why}"


def _forked(_: Story, __: Work, event: Event) -> str:
    return f"is a fork of {event.body['source_id']} from {event.body['from']}"


def _reconciled(_: Story, __: Work, event: Event) -> str:
    return f"asked about {event.body['tool']}: it {'happened' if event.body['happened'] else 'did not happen'}"


def _compensated(_: Story, __: Work, event: Event) -> str:
    return f"has undone {event.body['tool']} ({event.body['undone_key']} of {event.body['undone_run']})"


_SAYINGS: dict[str, Callable[[Story, Work, Event], str]] = {
    EntryType.RUN_STARTED: _started,
    EntryType.MODEL_REPLIED: _replied,
    EntryType.MODEL_FAILED: _model_failed,
    EntryType.EFFECT_INTENDED: _intended,
    EntryType.TOOL_RETURNED: _returned,
    EntryType.INTERRUPT_OPENED: _asked,
    EntryType.INTERRUPT_DECIDED: _decided,
    EntryType.INTERRUPT_WITHDRAWN: _withdrawn,
    EntryType.CHILD_STARTED: _child_started,
    EntryType.CHILD_ENDED: _silent,
    EntryType.TEAM_PLANNED: _planned,
    EntryType.TEAM_REVIEWED: _reviewed,
    EntryType.RUN_COMPLETED: _ended,
    EntryType.RUN_FAILED: _ended,
    EntryType.RUN_CANCELLED: _ended,
    EntryType.RUN_RETRIED: _retried,
    EntryType.RUN_FORKED: _forked,
    EntryType.EFFECT_RECONCILED: _reconciled,
    EntryType.EFFECT_COMPENSATED: _compensated,
}

"""A story as a picture: who does what right now, one row a run and one row a tool call."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ripieno.cli import wording
from ripieno.cli.lines import outcome
from ripieno.cli.story import Call, Story, Work
from ripieno.domain.teams import PlanStep

DONE, FAILED, WORKING, WAITING, COMING = "✓", "✗", "●", "‖", "○"
STYLES = {DONE: "green", FAILED: "red", WORKING: "cyan", WAITING: "yellow", COMING: "dim"}
ENDS = {"completed": DONE, "failed": FAILED, "cancelled": FAILED}
DOING = {"plan": "plans", "compose": "writes the answer", "review": "reviews the answer", "deliver": "delivers"}
HEAD_ROWS = 4
DEEPEST = 4


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the picture. `depth` is 0 for a run of the team, 1 for its tool calls, and so on."""

    icon: str
    who: str
    what: str
    took: str = ""
    depth: int = 0


def picture(story: Story, now: datetime, height: int) -> RenderableType:
    """Draw the story in at most `height` lines, as wide as the console is."""
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=2)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=5)
    table.add_column(no_wrap=True, justify="right", min_width=10)
    for row in rows(story, now, height - HEAD_ROWS):
        style = STYLES.get(row.icon, "")
        who = Text("  " * row.depth).append(f"{row.icon} ", style=style)
        who.append(row.who, style="bold" if row.icon == WORKING else "dim" if row.icon == COMING else "")
        table.add_row(who, Text(row.what, style="dim" if row.icon in {DONE, COMING} else ""), Text(row.took, "dim"))
    return Group(*_head(story, now), table, *_foot(story))


def rows(story: Story, now: datetime, limit: int) -> list[Row]:
    """The rows of the picture, at most `limit`: finished work folds up first, then the oldest of it leaves."""
    folded: set[str] = set()
    drawn = list(_rows(story, story.root, now, folded, 0))
    for work in story.works.values():
        if len(drawn) <= limit:
            return drawn
        if work.ended:
            folded.add(work.run_id)
            drawn = list(_rows(story, story.root, now, folded, 0))
    if len(drawn) <= limit:
        return drawn
    cut = len(drawn) - max(1, limit - 1)
    return [Row(DONE, f"{wording.count(cut, 'earlier line')}", ""), *drawn[cut:]]


def _head(story: Story, now: datetime) -> Iterator[RenderableType]:
    root = story.root
    works = story.works.values()
    yield Text(wording.one_line(root.goal, 400), style="bold", no_wrap=True, overflow="ellipsis")
    parts = [
        root.agent,
        root.model,
        root.status if root.ended else "waits for a person" if story.stalled else "at work",
        _took(root.started_at, root.ended_at, now),
        wording.count(sum(work.tokens for work in works), "token"),
        wording.money(sum(work.cost_usd for work in works)),
    ]
    yield Text(" · ".join(part for part in parts if part), style="dim", no_wrap=True, overflow="ellipsis")
    yield Text()


def _foot(story: Story) -> Iterator[RenderableType]:
    if story.pending:
        waiting = ", ".join(question.id for question in story.pending)
        yield Text(f"waits for a person: {waiting}", style="yellow", no_wrap=True, overflow="ellipsis")


def _rows(story: Story, work: Work, now: datetime, folded: set[str], depth: int) -> Iterator[Row]:
    """The calls of a run, the runs below it, and the steps of its plan that have not begun."""
    if work.run_id not in folded:
        for call in work.calls.values():
            yield _call_row(story, work, call, now, depth)
    children = story.children(work)
    for child in children:
        yield _work_row(story, work, child, now, depth)
        if depth < DEEPEST:
            yield from _rows(story, child, now, folded, depth + 1)
    begun = {child.name for child in children}
    for step in work.plan:
        if f"step/{step.id}" not in begun and not work.ended:
            yield _step_row(step, depth)


def _work_row(story: Story, team: Work, work: Work, now: datetime, depth: int) -> Row:
    asks = any(question.run_id == work.run_id for question in story.pending)
    icon = ENDS.get(work.status, WAITING if asks else WORKING)
    took = _took(work.started_at, work.ended_at, now)
    return Row(icon, work.agent, _headline(story, team, work), took, depth)


def _headline(story: Story, team: Work, work: Work) -> str:
    if work.error:
        return wording.one_line(work.error, 300)
    if any(question.run_id == work.run_id for question in story.pending):
        return "waits for a person"
    if work.ended and work.purpose in DID:
        return DID[work.purpose](team, work)
    doing = DOING.get(work.purpose)
    if doing is None:
        return wording.one_line(work.goal, 300)
    return f"{doing} again" if _is_repeated(work) else doing


def _is_repeated(work: Work) -> bool:
    place = work.name.rpartition("-")[2]
    return place.isdigit() and int(place) > 1


def _planned(team: Work, work: Work) -> str:
    if not team.plan:
        return wording.one_line(work.goal, 300)
    file = f" and the file {team.deliverable.path}" if team.deliverable else ""
    return f"planned {wording.count(len(team.plan), 'step')}{file}"


def _composed(_: Work, work: Work) -> str:
    return "wrote the answer again" if _is_repeated(work) else "wrote the answer"


def _delivered(team: Work, _: Work) -> str:
    return f"saved {team.deliverable.path}" if team.deliverable else "delivered"


def _verdict(team: Work, work: Work) -> str:
    for verdict in team.verdicts:
        if work.name == f"review-{verdict.round}":
            if verdict.accepted:
                return "accepted the answer"
            return f"sent it back: {wording.one_line('; '.join(verdict.issues), 300)}"
    return "reviewed the answer"


DID: dict[str, Callable[[Work, Work], str]] = {
    "plan": _planned,
    "compose": _composed,
    "review": _verdict,
    "deliver": _delivered,
}
"""What ended work of a purpose did, told with the team's run and its own."""


def _step_row(step: PlanStep, depth: int) -> Row:
    after = f" (after {', '.join(step.needs)})" if step.needs else ""
    return Row(COMING, step.agent, f"{wording.one_line(step.goal, 300)}{after}", depth=depth)


def _call_row(story: Story, work: Work, call: Call, now: datetime, depth: int) -> Row:
    what = wording.arguments(call.arguments) if call.arguments else ""
    if call.status is not None:
        took = wording.duration((call.ms or 0.0) / 1000)
        return Row(DONE if call.ok else FAILED, call.tool, outcome(call), took, depth)
    if work.ended:
        return Row(FAILED, call.tool, what, "", depth)
    icon = WAITING if story.waiting(call, work) else WORKING
    return Row(icon, call.tool, what, _took(call.asked_at, None, now), depth)


def _took(start: datetime | None, end: datetime | None, now: datetime) -> str:
    return wording.duration(((end or now) - start).total_seconds()) if start else ""

"""What a finished run took, in figures."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from ripieno.cli import wording
from ripieno.cli.story import Call, Story


@dataclass(frozen=True, slots=True)
class Facts:
    """Figures of a run with all runs below it.

    `agents` are those that asked a model at least once. `tools` are different tools that returned what was asked for.
    `at_once` is the largest number of tool calls that were under way at the same time.
    """

    agents: tuple[str, ...]
    tools: tuple[str, ...]
    tool_calls: int
    at_once: int
    approvals: int
    reviews: tuple[str, ...]
    tokens: int
    cost_usd: float
    seconds: float

    def sentence(self) -> str:
        """All of it on one line."""
        calls = f"{wording.count(self.tool_calls, 'tool call')}, up to {self.at_once} at once"
        return " · ".join(
            [
                wording.count(len(self.agents), "agent"),
                wording.count(len(self.tools), "different tool"),
                calls,
                wording.count(self.approvals, "approval"),
                wording.count(self.tokens, "token"),
                wording.money(self.cost_usd),
                wording.duration(self.seconds),
            ]
        )


def gather(story: Story) -> Facts:
    """Count a story up."""
    calls = list(story.calls())
    works = story.works.values()
    begun, over = story.root.started_at, story.root.ended_at
    approved = [item for item in story.questions.values() if item.decision and item.decision["kind"] == "approve"]
    return Facts(
        agents=tuple(dict.fromkeys(work.agent for work in works if work.model_calls)),
        tools=tuple(sorted({call.tool for call in calls if call.ok})),
        tool_calls=sum(call.returned_at is not None for call in calls),
        at_once=at_once(calls),
        approvals=len(approved),
        reviews=tuple("accept" if item.accepted else "rework" for work in works for item in work.verdicts),
        tokens=sum(work.tokens for work in works),
        cost_usd=sum(work.cost_usd for work in works),
        seconds=(over - begun).total_seconds() if begun and over else 0.0,
    )


def at_once(calls: Iterable[Call]) -> int:
    """The largest number of calls that were under way together, from being asked for to having returned."""
    moments: list[tuple[datetime, int]] = []
    for call in calls:
        if call.returned_at is not None:
            moments += [(call.asked_at, 1), (call.returned_at, -1)]
    most = now = 0
    for _, change in sorted(moments):
        now += change
        most = max(most, now)
    return most

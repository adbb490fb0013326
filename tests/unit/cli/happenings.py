"""Events of a small team, written out, for tests of what is shown."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from ripieno.cli.events import Event
from ripieno.cli.story import Story

START = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
TEAM, DISK, EXEC = "run_team", "run_disk", "run_exec"
PLAN: dict[str, Any] = {
    "steps": [
        {"id": "disk", "agent": "monitor", "goal": "look at the disks", "needs": []},
        {"id": "logs", "agent": "reader", "goal": "read the logs", "needs": ["disk"]},
    ],
    "deliverable": {"path": "report.md", "description": ""},
}


class Happenings:
    """Makes events, each a second after the one before."""

    def __init__(self) -> None:
        self.seqs: dict[str, int] = {}
        self.count = -1

    def event(self, run_id: str, kind: str, key: str, /, **body: Any) -> Event:
        self.seqs[run_id] = self.seqs.get(run_id, 0) + 1
        self.count += 1
        return Event(run_id, self.seqs[run_id], kind, key, START + timedelta(seconds=self.count), body)

    def started(self, run_id: str, agent: str, goal: str = "look around", purpose: str = "act") -> Event:
        who: dict[str, Any] = {"agent": agent, "version": "v1", "model": "offline", "members": []}
        return self.event(run_id, "run.started", "g1/start", goal=goal, purpose=purpose, **who)

    def child(self, parent: str, name: str, run_id: str, agent: str, purpose: str = "act") -> Event:
        body = {"child_run_id": run_id, "agent": agent, "goal": f"goal of {name}", "purpose": purpose}
        return self.event(parent, "child.started", f"g1/child/{name}", **body)

    def child_ended(self, parent: str, name: str, run_id: str, **result: Any) -> Event:
        return self.event(parent, "child.ended", f"g1/child/{name}/end", child_run_id=run_id, result=ending(**result))

    def replied(self, run_id: str, *calls: tuple[str, dict[str, Any]], turn: int = 1, text: str = "") -> Event:
        tool_calls = [
            {"id": f"c{place}", "name": name, "arguments": arguments, "malformed": None}
            for place, (name, arguments) in enumerate(calls)
        ]
        usage = {"input_tokens": 10, "output_tokens": 5, "cost_usd": 0.01, "calls": 1}
        reply = {"text": text, "tool_calls": tool_calls, "usage": usage, "model": "offline"}
        return self.event(run_id, "model.replied", f"g1/turn/{turn}/model", reply=reply, fingerprint="", ms=1.0)

    def returned(self, run_id: str, place: int, tool: str, text: str, turn: int = 1, **more: Any) -> Event:
        return self.event(
            run_id,
            "tool.returned",
            f"g1/turn/{turn}/call/{place}",
            call={"id": f"c{place}", "name": tool, "arguments": more.get("arguments", {}), "malformed": None},
            result={"status": more.get("status", "ok"), "text": text, "data": None},
            effect=more.get("effect", "read"),
            attempt=1,
            ms=more.get("ms", 30.0),
            evidence_id=f"t{turn}c{place}",
        )

    def asked(self, run_id: str, place: int, tool: str, arguments: dict[str, Any], **more: Any) -> Event:
        return self.event(
            run_id,
            "interrupt.opened",
            f"g1/turn/1/call/{place}/approval",
            interrupt_id=more.get("interrupt_id", "apr_1"),
            kind=more.get("kind", "approval"),
            request={"tool": tool, "arguments": arguments, "description": "Write a file.\n\nMore."},
            risk="high",
            reasons=["it writes"],
        )

    def decided(self, run_id: str, decision: str, interrupt_id: str = "apr_1", **more: Any) -> Event:
        body: dict[str, Any] = {"kind": decision, "decided_by": "local", "reason": None, "arguments": None, **more}
        key = "g1/turn/1/call/0/approval/decision"
        return self.event(run_id, "interrupt.decided", key, interrupt_id=interrupt_id, decision=body)

    def withdrawn(self, run_id: str, interrupt_id: str = "apr_1") -> Event:
        key = "g1/turn/1/call/0/approval/withdrawn"
        return self.event(run_id, "interrupt.withdrawn", key, interrupt_id=interrupt_id, kind="approval")

    def planned(self, run_id: str = TEAM) -> Event:
        return self.event(run_id, "team.planned", "g1/plan", plan=PLAN)

    def reviewed(self, number: int, verdict: str, *issues: str, unsupported: Iterable[str] = ()) -> Event:
        review: dict[str, Any] = {
            "verdict": verdict,
            "issues": list(issues),
            "claims": [],
            "unsupported_claims": [{"claim": claim, "evidence": []} for claim in unsupported],
        }
        return self.event(TEAM, "team.reviewed", f"g1/review/{number}", review=review, round=number)

    def ended(self, run_id: str, status: str = "completed", **result: Any) -> Event:
        return self.event(run_id, f"run.{status}", "end", result=ending(status=status, **result))


def ending(status: str = "completed", answer: str = "", error: dict[str, str] | None = None) -> dict[str, Any]:
    return {"status": status, "exit_reason": status, "answer": answer, "value": None, "error": error}


def told(*events: Event) -> Story:
    """The story of the first event's run."""
    story = Story(events[0].run_id)
    for event in events:
        story.apply(event)
    return story


def team_at_work() -> list[Event]:
    """Planned two steps; the first one has looked at a disk and still looks at the memory."""
    make = Happenings()
    return [
        make.started(TEAM, "operations"),
        make.child(TEAM, "plan", "run_plan", "planner", "plan"),
        make.replied("run_plan", text="{}"),
        make.ended("run_plan", answer="{}"),
        make.planned(),
        make.child(TEAM, "step/disk", DISK, "monitor"),
        make.started(DISK, "monitor"),
        make.replied(DISK, ("system.disk", {"path": "/"}), ("system.memory", {})),
        make.returned(DISK, 0, "system.disk", "disk / 9 % full\nno swap", arguments={"path": "/"}),
    ]

"""Builds journals line by line, for tests of what is read out of them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from ripieno.domain.entries import Entry, EntryType
from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.usage import Usage

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


class Lines(list[Entry]):
    """A journal; every entry comes a second after the one before."""

    def put(self, key: str, kind: EntryType, body: JsonObject) -> Entry:
        seq = len(self) + 1
        entry = Entry("run_1", seq, key, kind, body, at(seq), epoch=1)
        self.append(entry)
        return entry

    def started(self, goal: str = "count", members: Sequence[str] = ()) -> Entry:
        body = {
            "definition": {"name": "teller"},
            "version": "v1",
            "goal": goal,
            "data": {"n": 1},
            "purpose": "act",
            "model": "offline",
            "members": [{"name": name} for name in members],
            "history": [],
        }
        return self.put("g1/start", EntryType.RUN_STARTED, body)

    def replied(self, turn: int, text: str = "", calls: Sequence[str] = (), usage: Usage | None = None) -> Entry:
        used = usage or Usage(input_tokens=10, output_tokens=5, calls=1)
        reply: JsonObject = {
            "text": text,
            "tool_calls": [{"id": f"c{i}", "name": name, "arguments": {}} for i, name in enumerate(calls)],
            "model": "m-1",
            "usage": {"input_tokens": used.input_tokens, "output_tokens": used.output_tokens, "calls": used.calls},
        }
        return self.put(f"g1/turn/{turn}/model", EntryType.MODEL_REPLIED, {"reply": reply, "ms": 500.0})

    def intended(self, key: str, tool: str, attempt: int = 1) -> Entry:
        body = {
            "tool": tool,
            "arguments": {"x": 1},
            "effect": "irreversible",
            "attempt": attempt,
            "idempotency_key": "idem-1",
        }
        return self.put(f"{key}/intent/{attempt}", EntryType.EFFECT_INTENDED, body)

    def returned(self, key: str, tool: str, status: str = "ok", effect: str = "read", attempt: int = 1) -> Entry:
        body = {
            "call": {"id": "c0", "name": tool, "arguments": {"x": 1}},
            "result": {"status": status, "text": "408", "data": {"value": 408}},
            "effect": effect,
            "attempt": attempt,
            "ms": 250.0,
            "evidence_id": "t1c0",
        }
        return self.put(key, EntryType.TOOL_RETURNED, body)

    def opened(self, key: str, kind: str = "approval", request: JsonObject | None = None) -> Entry:
        body = {
            "interrupt_id": "apr_1",
            "kind": kind,
            "request": {"tool": "files.write"} if request is None else request,
            "risk": "high",
            "reasons": ["it writes", "it is big"],
        }
        return self.put(key, EntryType.INTERRUPT_OPENED, body)

    def decided(self, key: str, kind: str, reason: str | None = None) -> Entry:
        decision = {"kind": kind, "decided_by": "ann", "reason": reason}
        return self.put(f"{key}/decision", EntryType.INTERRUPT_DECIDED, {"interrupt_id": "apr_1", "decision": decision})

    def withdrawn(self, key: str) -> Entry:
        return self.put(
            f"{key}/withdrawn", EntryType.INTERRUPT_WITHDRAWN, {"interrupt_id": "apr_1", "kind": "approval"}
        )

    def child_started(self, name: str) -> Entry:
        body = {"run_id": f"run_{name}", "agent": name, "goal": f"do {name}", "purpose": "act"}
        return self.put(f"g1/child/step/{name}", EntryType.CHILD_STARTED, body)

    def child_ended(self, name: str, status: str = "completed", error: Json = None) -> Entry:
        body = {"run_id": f"run_{name}", "result": result(status, error, tokens=100)}
        return self.put(f"g1/child/step/{name}/end", EntryType.CHILD_ENDED, body)

    def ended(self, status: str = "completed", error: Json = None) -> Entry:
        return self.put("end", EntryType(f"run.{status}"), {"result": result(status, error)})


def result(status: str, error: Json = None, tokens: int = 0) -> JsonObject:
    return {
        "status": status,
        "exit_reason": "completed" if status == "completed" else "operator",
        "answer": "" if error else "it is 408",
        "error": error,
        "usage": {"input_tokens": tokens, "calls": 2},
    }

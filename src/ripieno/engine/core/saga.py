"""Runs without a model: one tool call, and the undoing of what another run did, newest first."""

from dataclasses import dataclass, replace

from ripieno.domain import jsons
from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.runs import Evidence, ExitReason, RunError, RunResult, RunStatus
from ripieno.domain.tools import ToolCall
from ripieno.engine.core.commands import CallEnded, CallTools, MarkUndone, PlannedCall, Program, expect_all


@dataclass(frozen=True, slots=True)
class Undo:
    """An effect of some run, and the call that undoes it."""

    run_id: str
    key: str
    attempt: int
    tool: str
    by: str
    arguments: JsonObject


def one_call(tool: str, arguments: JsonObject, generation: int, idempotency_key: str | None = None) -> Program:
    """Call one tool; its result is the run's value."""
    call = PlannedCall(f"g{generation}/call/0", ToolCall("direct", tool, arguments), "c0", idempotency_key)
    (ended,) = expect_all(CallEnded, (yield CallTools((call,))))
    result = RunResult(
        RunStatus.COMPLETED,
        ExitReason.COMPLETED,
        ended.result.text,
        jsons.encode(ended.result),
        (_evidence(ended),),
        busy_ms=ended.ms,
    )
    if ended.result.ok:
        return result
    error = RunError(ended.result.status.value, ended.result.text)
    return replace(result, status=RunStatus.FAILED, exit_reason=ExitReason.TOOL_ERROR, error=error)


def rollback(steps: tuple[Undo, ...]) -> Program:
    """Undo one effect after the other. The first that cannot be undone ends it: what is older may depend on it."""
    evidence: list[Evidence] = []
    busy_ms = 0.0
    for place, step in enumerate(steps):
        call = PlannedCall(f"g1/call/{place}", ToolCall(f"undo-{place}", step.by, step.arguments), f"c{place}")
        (ended,) = expect_all(CallEnded, (yield CallTools((call,))))
        evidence.append(_evidence(ended))
        busy_ms += ended.ms
        if not ended.result.ok:
            error = RunError("rollback_stopped", f"{step.by} did not undo {step.tool}: {ended.result.text}")
            ended_here = _told(steps, place, evidence, busy_ms)
            return replace(ended_here, status=RunStatus.FAILED, exit_reason=ExitReason.TOOL_ERROR, error=error)
        yield MarkUndone(f"g1/undone/{place}", step.run_id, step.key, step.attempt, step.tool)
    return _told(steps, len(steps), evidence, busy_ms)


def _told(steps: tuple[Undo, ...], undone: int, evidence: list[Evidence], busy_ms: float) -> RunResult:
    value: Json = {
        "undone": [jsons.encode(step) for step in steps[:undone]],
        "not_undone": [jsons.encode(step) for step in steps[undone:]],
    }
    answer = f"{undone} of {len(steps)} effects undone"
    return RunResult(
        RunStatus.COMPLETED,
        ExitReason.COMPLETED,
        answer,
        value,
        tuple(evidence),
        effects=len(evidence),
        busy_ms=busy_ms,
    )


def _evidence(ended: CallEnded) -> Evidence:
    call, result = ended.call, ended.result
    return Evidence(ended.evidence_id, call.name, call.arguments, result.text[:2000], ok=result.ok)

"""Plays logic without an engine: the test takes the commands and gives the outcomes, like a script."""

from collections.abc import Generator
from typing import TypeVar

from ripieno.domain.messages import Reply
from ripieno.domain.runs import RunResult, RunStatus
from ripieno.domain.tools import ToolResult, ToolStatus
from ripieno.engine.core.commands import (
    AwaitChildren,
    CallEnded,
    CallModel,
    CallTools,
    ChildEnded,
    ChildStarted,
    Command,
    ModelAnswered,
    ModelFailed,
    Note,
    Noted,
    Outcome,
    Program,
    StartChild,
)

C = TypeVar("C", bound=Command)


class Playbook:
    """A program that stands at its next command, or has ended with `result`."""

    def __init__(self, program: Program) -> None:
        self._program: Generator[Command, Outcome, RunResult] = program
        self.command: Command | None = None
        self.result: RunResult | None = None
        self._advance(None)

    def wants(self, kind: type[C]) -> C:
        """The command that the program stands at, which must be of this kind."""
        if isinstance(self.command, kind):
            return self.command
        what = self.command if self.result is None else self.result
        raise AssertionError(f"expected {kind.__name__}, the program has {what!r}")

    def model_says(self, reply: Reply, ms: float = 1.0) -> CallModel:
        """Answer a model call; the answer is the command, to look at the request."""
        command = self.wants(CallModel)
        self._advance(ModelAnswered(reply, ms))
        return command

    def model_fails(self, code: str = "model_error", detail: str = "it is broken") -> CallModel:
        """Let a model call fail."""
        command = self.wants(CallModel)
        self._advance(ModelFailed(code, detail))
        return command

    def tools_return(self, *results: ToolResult | str, ms: float = 1.0) -> CallTools:
        """Answer each call of a turn; a string is a result that is ok."""
        command = self.wants(CallTools)
        whole = [result if isinstance(result, ToolResult) else ToolResult(ToolStatus.OK, result) for result in results]
        ended = [
            CallEnded(planned.call, result, evidence_id=planned.evidence_id, ms=ms)
            for planned, result in zip(command.calls, whole, strict=True)
        ]
        self._advance(tuple(ended))
        return command

    def child_starts(self) -> StartChild:
        """Let a child start; its run id is its key."""
        command = self.wants(StartChild)
        self._advance(ChildStarted(command.key))
        return command

    def children_end(self, results: dict[str, RunResult]) -> AwaitChildren:
        """Let some of the awaited children end, by the last part of their keys."""
        command = self.wants(AwaitChildren)
        ended = [
            ChildEnded(key, key, results[name])
            for key in command.keys
            if (name := key.partition("/child/")[2]) in results
        ]
        self._advance(tuple(ended))
        return command

    def notes(self) -> Note:
        """Let the program write its note."""
        command = self.wants(Note)
        self._advance(Noted())
        return command

    @property
    def ended(self) -> RunResult:
        """How the program ended; it must have."""
        if self.result is None:
            raise AssertionError(f"the program has not ended, it wants {self.command!r}")
        return self.result

    def failed_with(self) -> str:
        """The stable code of the error that the program ended with."""
        result = self.ended
        if result.status is not RunStatus.FAILED or result.error is None:
            raise AssertionError(f"the program did not fail: {result!r}")
        return result.error.code

    def _advance(self, outcome: Outcome | None) -> None:
        try:
            self.command = next(self._program) if outcome is None else self._program.send(outcome)
        except StopIteration as stop:
            self.command, self.result = None, stop.value

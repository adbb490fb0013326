"""What a run's logic can ask for, and what it gets back.

Logic is a generator: it yields a command and is sent the command's outcome. Each command has a key, unique in its run;
the journal holds the outcome under it, so feeding recorded outcomes to new logic replays the run.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from ripieno.domain.entries import EntryType
from ripieno.domain.errors import JournalMismatch
from ripieno.domain.jsons import JsonObject
from ripieno.domain.messages import ModelRequest, Reply
from ripieno.domain.runs import RunInput, RunResult
from ripieno.domain.tools import ToolCall, ToolResult


@dataclass(frozen=True, slots=True)
class CallModel:
    """Ask a model. Outcome: `ModelAnswered` or `ModelFailed`."""

    key: str
    request: ModelRequest


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """One tool call of a turn. `evidence_id` is how its result can be cited.

    With an `idempotency_key` it is the same call as one that was made under that key elsewhere.
    """

    key: str
    call: ToolCall
    evidence_id: str
    idempotency_key: str | None = None


HANDOFF = "handoff."
"""What the names of tools begin with that hand a run over to another agent; the agent's name follows."""


def child_of(call_key: str) -> str:
    """The key of the child that a tool call starts."""
    return f"{call_key}/child"


@dataclass(frozen=True, slots=True)
class CallTools:
    """Call tools together. Outcome: a tuple of `CallEnded`, in order."""

    calls: tuple[PlannedCall, ...]


@dataclass(frozen=True, slots=True)
class StartChild:
    """Start a run of another agent. Outcome: `ChildStarted`."""

    key: str
    agent: str
    input: RunInput


@dataclass(frozen=True, slots=True)
class AwaitChildren:
    """Wait until at least one of these children has ended. Outcome: a tuple of `ChildEnded`, all that have."""

    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Note:
    """Write down something that the logic decided. Outcome: `Noted`."""

    key: str
    type: EntryType
    body: JsonObject


@dataclass(frozen=True, slots=True)
class MarkUndone:
    """Write down that an effect of a run, perhaps of another one, is undone. Outcome: `Noted`."""

    key: str
    run_id: str
    effect_key: str
    attempt: int
    tool: str


@dataclass(frozen=True, slots=True)
class ModelAnswered:
    """A model's reply, and how long it took in milliseconds."""

    reply: Reply
    ms: float


@dataclass(frozen=True, slots=True)
class ModelFailed:
    """No reply, after all retries. `code` is the stable code of the error."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class CallEnded:
    """What came of one tool call. `call` has the arguments that were used, which a person may have edited."""

    call: ToolCall
    result: ToolResult
    evidence_id: str
    ms: float


@dataclass(frozen=True, slots=True)
class ChildStarted:
    """The child exists."""

    run_id: str


@dataclass(frozen=True, slots=True)
class ChildEnded:
    """A child has ended; `key` is that of its `StartChild`."""

    key: str
    run_id: str
    result: RunResult


@dataclass(frozen=True, slots=True)
class Noted:
    """It is written down."""


Command: TypeAlias = CallModel | CallTools | StartChild | AwaitChildren | Note | MarkUndone
Outcome: TypeAlias = ModelAnswered | ModelFailed | tuple[CallEnded, ...] | ChildStarted | tuple[ChildEnded, ...] | Noted
Program: TypeAlias = Generator[Command, Outcome, RunResult]

T = TypeVar("T")


def expect(kind: type[T], outcome: Outcome) -> T:
    """The outcome as the kind that its command promises.

    Raises:
        JournalMismatch: The journal holds something else under that key.
    """
    if not isinstance(outcome, kind):
        raise JournalMismatch(f"expected {kind.__name__}, the journal holds {type(outcome).__name__}")
    return outcome


def expect_all(kind: type[T], outcome: Outcome) -> tuple[T, ...]:
    """The same for commands whose outcome is a tuple."""
    items = outcome if isinstance(outcome, tuple) else (outcome,)
    return tuple(expect(kind, item) for item in items)  # pyright: ignore[reportArgumentType]

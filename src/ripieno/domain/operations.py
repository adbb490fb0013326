"""What was asked of a model or a tool, as telemetry tells it, in the words of OpenTelemetry's GenAI conventions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

Fact: TypeAlias = str | int | float | bool | Sequence[str]


@dataclass(frozen=True, slots=True)
class Operation:
    """One that has ended.

    `name` is `chat` or `execute_tool`, `subject` the model or tool, `run_id` the run it was for. `facts` are attributes
    of its span; of those, `measured` names what tells the series of a metric apart. `tokens` are counted by type.
    `error` is the code of what went wrong.
    """

    name: str
    subject: str
    run_id: str
    began: datetime
    seconds: float
    facts: Mapping[str, Fact] = field(default_factory=dict[str, Fact])
    measured: Sequence[str] = ()
    tokens: Mapping[str, int] = field(default_factory=dict[str, int])
    error: str | None = None


Record: TypeAlias = Callable[[Operation], None]
"""Takes what has ended; it neither waits nor raises."""

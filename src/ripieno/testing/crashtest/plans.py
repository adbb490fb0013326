"""What a crash test runs, where it is to die, and one life of it: values that go to other processes as JSON."""

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from ripieno.domain import ids
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.errors import Invalid
from ripieno.domain.interrupts import Decision
from ripieno.domain.jsons import JsonObject
from ripieno.domain.messages import Reply
from ripieno.domain.tools import Risk, ToolResult, ToolSpec

DAY_ONE_MS = 1_767_225_600_000
"""The time in the ids of all test runs: the same plan has the same ids, so that boundaries keep their names."""

TENANT = "default"


class Model(StrEnum):
    """Who thinks. `SCRIPTED` calls every tool that an agent has, `OFFLINE` those whose words are in the goal."""

    SCRIPTED = "scripted"
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class Recording:
    """What a run's journal tells of the world around it: see `recording`, which makes it and plays it back."""

    run_id: str
    agent: str
    status: str
    data: JsonObject | None = None
    replies: dict[str, Reply] = field(default_factory=dict[str, Reply])
    results: dict[str, ToolResult] = field(default_factory=dict[str, ToolResult])
    decisions: dict[str, Decision] = field(default_factory=dict[str, Decision])


@dataclass(frozen=True, slots=True)
class Plan:
    """What runs in every life. `agents` holds the one that is started and all that it may give work to.

    `tools` are real specs; none of these tools is called. `latency` is how long a recorded call takes, in seconds.
    `rig` names a function `module:name` that is given the `bootstrap.Ports` of a life and answers those to use: other
    tools, another model, or a fault to be found. With a `recording` the model and the tools play that run again.
    """

    agent: str
    goal: str
    agents: tuple[AgentDefinition, ...]
    tools: tuple[ToolSpec, ...] = ()
    model: Model = Model.OFFLINE
    ask_from: Risk = Risk.HIGH
    runs: int = 1
    latency: float = 0.0
    rig: str = ""
    recording: Recording | None = None

    def run_id(self, number: int) -> str:
        """The id of the n-th run, counted from 0."""
        seed = f"{self.agent}\0{self.goal}\0{number}"
        return ids.compose(ids.RUN, DAY_ONE_MS + number, hashlib.sha256(seed.encode()).digest())


class When(StrEnum):
    """On which side of a commit the process dies."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Fault:
    """Where a life ends by SIGKILL. `place` is the name of a boundary, see `boundaries.FatalJournal`."""

    when: When
    place: str

    def __str__(self) -> str:
        return f"{self.when.value}:{self.place}"


def fault(text: str) -> Fault:
    """Read `before:PLACE` or `after:PLACE`. Raises `Invalid`."""
    when, colon, place = text.partition(":")
    if when not in set(When) or not colon or not place:
        raise Invalid(f"a boundary is before:NUMBER or after:NUMBER (or a name in place of the number), not {text}")
    return Fault(When(when), place)


@dataclass(frozen=True, slots=True)
class Life:
    """One process, from its start to its end or to its fault.

    In `folder` are its store, the `witness` and its `log`. Without `attended` nobody answers what the runs ask, and the
    life ends when all that is left waits for a person.
    """

    plan: Plan
    folder: Path
    number: int = 1
    fault: Fault | None = None
    attended: bool = True

    @property
    def witness(self) -> Path:
        """The file that outlives it."""
        return self.folder / "witness"

    @property
    def data(self) -> Path:
        """Its store."""
        return self.folder / "data"

"""Engines on real stores, with players in place of models and tools."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from ripieno.bootstrap import Ports
from ripieno.clock import SystemClock
from ripieno.domain.agents import AgentDefinition
from ripieno.ports import Clock, Dispatch, History, Journal, Model, Records, Toolset
from ripieno.server.replies import Replies
from ripieno.testing.platform import in_memory

CLERK = AgentDefinition(name="clerk", tools=("*",))


class Store(Protocol):
    """What an engine stands on."""

    @property
    def journal(self) -> Journal: ...
    @property
    def records(self) -> Records: ...
    @property
    def replies(self) -> Replies: ...
    @property
    def history(self) -> History: ...


@dataclass(frozen=True)
class Players:
    """Who thinks and what is called: by an agent that may call everything, unless others are given."""

    model: Model
    tools: Toolset
    agents: Sequence[AgentDefinition] = (CLERK,)


def ports_on(store: Store, dispatch: Dispatch, players: Players, folder: Path, clock: Clock | None = None) -> Ports:
    """The ports of an engine on a real store."""
    fake = in_memory(players.model, players.tools, players.agents, folder, clock=clock or SystemClock()).ports
    return replace(
        fake,
        dispatch=dispatch,
        journal=store.journal,
        records=store.records,
        replies=store.replies,
        history=store.history,
    )

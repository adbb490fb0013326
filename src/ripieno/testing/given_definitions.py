"""Agents that are given as objects, for tests that have no files."""

from collections.abc import Sequence

from ripieno.domain.agents import AgentDefinition, DefinitionProblem
from ripieno.domain.errors import NotFound


class GivenDefinitions:
    """`ports.Definitions` over a list."""

    def __init__(self, agents: Sequence[AgentDefinition]) -> None:
        self._agents = {agent.name: agent for agent in agents}

    async def agents(self) -> Sequence[AgentDefinition]:
        """All of them."""
        return list(self._agents.values())

    async def agent(self, name: str) -> AgentDefinition:
        """One of them. Raises `NotFound`."""
        if name not in self._agents:
            raise NotFound("agent", name, tuple(self._agents))
        return self._agents[name]

    async def problems(self) -> Sequence[DefinitionProblem]:
        """None: these were never files."""
        return []

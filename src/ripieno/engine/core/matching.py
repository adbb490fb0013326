"""Finds the agent that fits a goal best, by the words they share."""

import re
from collections.abc import Sequence

from ripieno.domain.agents import AgentDefinition

WORD = re.compile(r"[a-z0-9]{3,}")
WEIGHTS = ((5.0, "name"), (3.0, "capabilities"), (2.0, "tags"), (1.0, "description"))
COMMON = frozenset(
    {
        "and",
        "are",
        "can",
        "does",
        "for",
        "from",
        "has",
        "have",
        "how",
        "its",
        "not",
        "that",
        "the",
        "this",
        "what",
        "with",
    }
)


def best_agent(goal: str, agents: Sequence[AgentDefinition], fallback: str) -> AgentDefinition | None:
    """The agent whose name, capabilities, tags and description share most words with the goal; else the fallback."""
    wanted = _stems(goal)
    scored = [(_score(wanted, agent), agent) for agent in agents]
    score, best = max(scored, key=lambda pair: (pair[0], pair[1].name == fallback, pair[1].name), default=(0.0, None))
    if score > 0:
        return best
    return next((agent for agent in agents if agent.name == fallback), best)


def _score(wanted: set[str], agent: AgentDefinition) -> float:
    score = 0.0
    for weight, field in WEIGHTS:
        value = getattr(agent, field)
        score += weight * len(wanted & _stems(value if isinstance(value, str) else " ".join(value)))
    return score


def _stems(text: str) -> set[str]:
    words = set(WORD.findall(text.lower().replace("_", " "))) - COMMON
    return {word.removesuffix("s") for word in words}

"""Which agent fits a goal."""

from ripieno.domain.agents import AgentDefinition
from ripieno.engine.core.matching import best_agent

AGENTS = [
    AgentDefinition(name="default", description="Helps with anything."),
    AgentDefinition(name="network_diagnostics", description="Finds faults of networks.", capabilities=("dns", "ping")),
    AgentDefinition(name="code_review", description="Reads Python code.", tags=("lint",)),
]


def test_shared_words_decide():
    found = best_agent("Why does DNS of example.org fail? Ping it.", AGENTS, "default")
    assert found is AGENTS[1]


def test_names_and_plurals_count():
    assert best_agent("review the codes", AGENTS, "default") is AGENTS[2]


def test_without_a_shared_word_the_fallback_answers():
    assert best_agent("zzz", AGENTS, "default") is AGENTS[0]


def test_without_agents_there_is_none():
    assert best_agent("zzz", [], "default") is None

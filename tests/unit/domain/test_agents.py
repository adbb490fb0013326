"""Agents as people write them, in today's words and in older ones."""

from typing import Any

import pytest
from pydantic import ValidationError

from ripieno.domain.agents import AgentDefinition, Mode


def agent(**fields: Any) -> AgentDefinition:
    return AgentDefinition.model_validate({"name": "teller", **fields})


def test_older_names_mean_the_same():
    old = agent(
        system_prompt="Count.",
        approval_required_tools=["counter.reset"],
        execution_mode="scheduled",
        llm_config={"provider": "openai", "model": "gpt-4o", "temperature": 0.1, "max_tokens": 9, "host": "h"},
    )
    new = agent(
        instructions="Count.",
        approvals=["counter.reset"],
        mode="scheduled",
        model="openai:gpt-4o",
        temperature=0.1,
        max_tokens=9,
    )
    assert old.metadata == {"llm_config": {"host": "h"}}
    assert old.model_copy(update={"metadata": {}}) == new


def test_a_model_of_its_own_wins_over_the_older_key():
    assert agent(model="offline", llm_config={"model": "gpt-4o"}).model == "offline"
    assert agent(llm_config={"model": "gpt-4o"}).model == "gpt-4o"


def test_unknown_keys_are_kept():
    assert agent(agent_type="math", metadata={"a": 1}).metadata == {"a": 1, "agent_type": "math"}


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("aprovals", "approvals"),
        ("Approvals", "approvals"),
        ("approval-required-tools", "approval_required_tools"),
        ("approval_tools", "approvals"),
        ("tool", "tools"),
        ("limit", "limits"),
        ("excution_mode", "execution_mode"),
    ],
)
def test_a_misspelt_key_is_refused(slip: str, meant: str):
    with pytest.raises(ValidationError) as caught:
        agent(**{slip: ["time.*"], "agent_type": "math"})
    [error] = caught.value.errors()
    assert (error["loc"], error["msg"]) == ((slip,), f"unknown key {slip}; did you mean {meant}?")


@pytest.mark.parametrize(
    "key",
    ["agent_type", "version", "enabled", "config", "timeout", "input_schema", "author", "approved_by"],
)
def test_keys_that_are_words_of_their_own_are_metadata(key: str):
    assert agent(**{key: 1}).metadata == {key: 1}


def test_the_version_follows_the_content():
    assert agent().version == agent().version
    assert agent().version != agent(description="x").version
    assert len(agent().version) == 12


def test_a_team_needs_members():
    with pytest.raises(ValidationError, match="needs members"):
        agent(mode="collaborative")
    assert agent(mode="collaborative", members=["a"]).is_team
    assert not agent(mode=Mode.CONTINUOUS).is_team


@pytest.mark.parametrize("name", ["", "Big", "a b", "../x", "-x", "x" * 64])
def test_names_are_plain(name: str):
    with pytest.raises(ValidationError):
        agent(name=name)


def test_something_that_is_no_mapping_is_refused():
    with pytest.raises(ValidationError):
        AgentDefinition.model_validate(["teller"])


@pytest.mark.parametrize("limits", [{"max_turns": 0}, {"seconds": -1}, {"usd": -0.1}, {"turns": 3}])
def test_limits_are_checked(limits: dict[str, Any]):
    with pytest.raises(ValidationError):
        agent(limits=limits)

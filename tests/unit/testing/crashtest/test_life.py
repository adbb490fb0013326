"""One life in this process: what the witness is told, and where the boundaries are."""

from dataclasses import replace
from pathlib import Path

import pytest

from ripieno.domain.agents import AgentDefinition
from ripieno.domain.effects import EffectClass
from ripieno.domain.jsons import JsonObject
from ripieno.domain.tools import ToolSpec
from ripieno.testing.crashtest.judging import boundaries, judge
from ripieno.testing.crashtest.life import ENDED, live
from ripieno.testing.crashtest.plans import Life, Model, Plan
from ripieno.testing.crashtest.witness import Witness

NUMBERED: JsonObject = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
COUNT = ToolSpec("shop.count", "Count the goods", NUMBERED, NUMBERED, effect=EffectClass.READ)
PAY = ToolSpec("shop.pay", "Pay for goods", NUMBERED, effect=EffectClass.IRREVERSIBLE)
CLERK = AgentDefinition(name="clerk", tools=("shop",), approvals=("shop.pay",))
PLAN = Plan("clerk", "pay the bill", (CLERK,), (COUNT, PAY), Model.SCRIPTED)

SLOW_TO_TELL = "tests.crash.rigs:slow_to_tell"
"""As on a busy machine: the store shows what was committed before the one who committed it goes on."""


@pytest.mark.parametrize("model", Model)
async def test_a_life(tmp_path: Path, model: Model):
    life = Life(replace(PLAN, model=model, goal="count the goods with 3", rig=SLOW_TO_TELL), tmp_path)
    assert await live(life) == ENDED
    lines = Witness(life.witness).lines()
    verdict = judge(lines)
    assert not verdict.findings
    assert verdict.effects["read"] == 1
    assert {"start", "g1/start", "g1/turn/1/model", "g1/turn/1/call/0", "end"} <= set(boundaries(lines))
    assert await live(replace(life, number=2)) == ENDED
    assert not [line for line in Witness(life.witness).lines() if line["life"] == 2 and line["what"] == "called"]


async def test_nobody_there(tmp_path: Path):
    life = Life(replace(PLAN, rig=SLOW_TO_TELL), tmp_path, attended=False)
    assert await live(life) == ENDED
    lines = Witness(life.witness).lines()
    assert boundaries(lines)[-1] == "park/1"
    assert [run["status"] for run in lines[-1]["runs"]] == ["awaiting_approval"]
    assert [finding.kind for finding in judge(lines).findings] == ["unfinished"]


async def test_several_runs_have_names(tmp_path: Path):
    life = Life(replace(PLAN, runs=2), tmp_path)
    assert await live(life) == ENDED
    assert {"end", "run2/end", "run2/start"} <= set(boundaries(Witness(life.witness).lines()))

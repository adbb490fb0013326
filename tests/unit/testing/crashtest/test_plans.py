"""Plans, faults and the witness travel between processes."""

from pathlib import Path

import pytest

from ripieno.domain.agents import AgentDefinition
from ripieno.domain.errors import Invalid
from ripieno.domain.ids import milliseconds
from ripieno.domain.jsons import decode, encode
from ripieno.domain.tools import ToolSpec
from ripieno.testing.crashtest.plans import DAY_ONE_MS, Fault, Life, Plan, When, fault
from ripieno.testing.crashtest.witness import Witness

PLAN = Plan("clerk", "go", (AgentDefinition(name="clerk", tools=("*",)),), (ToolSpec("a.b", "", {}),))


def test_a_life_survives_its_journey(tmp_path: Path):
    life = Life(PLAN, tmp_path, 2, Fault(When.AFTER, "end"), attended=False)
    assert decode(Life, encode(life)) == life
    assert life.witness.parent == life.data.parent == tmp_path


def test_the_same_plan_has_the_same_runs():
    assert PLAN.run_id(1) == decode(Plan, encode(PLAN)).run_id(1) != PLAN.run_id(0)
    assert milliseconds(PLAN.run_id(1)) == DAY_ONE_MS + 1


def test_faults_are_read_as_they_are_written():
    assert fault("before:7") == Fault(When.BEFORE, "7")
    assert fault(str(Fault(When.AFTER, "g1/child/a:b"))) == Fault(When.AFTER, "g1/child/a:b")


@pytest.mark.parametrize("text", ["", "before", "before:", "never:7", "7"])
def test_what_is_no_fault(text: str):
    with pytest.raises(Invalid, match="before:NUMBER"):
        fault(text)


def test_the_witness_remembers(tmp_path: Path):
    file = tmp_path / "witness"
    assert Witness(file).lines() == []
    Witness(file, 1).tell("called", tool="shop.pay", n=1)
    Witness(file, 2).tell("called", tool="shop.put")
    assert Witness(file).lines() == [
        {"what": "called", "life": 1, "tool": "shop.pay", "n": 1},
        {"what": "called", "life": 2, "tool": "shop.put"},
    ]
    assert Witness(file).saw("called", tool="shop.pay")
    assert not Witness(file).saw("called", tool="shop.pay", n=2)
    assert not Witness(file).saw("committed", tool="shop.pay")

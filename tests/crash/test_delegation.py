"""Work that agents give to each other, and the questions that they ask people, killed at every boundary."""

from dataclasses import replace
from pathlib import Path

import pytest

from ripieno.testing.crashtest.campaign import Wishes, crashtest
from tests.crash.given import ONE_RUN, ROOT, agent

pytestmark = pytest.mark.crash

BOSS = agent("clerk", tools=["agent.helper", "mail.send"])
HELPER = agent("helper", tools=["shop", "person.ask"])


def test_delegation_killed_everywhere(tmp_path: Path):
    plan = replace(ONE_RUN, agents=(BOSS, HELPER), rig="tests.crash.rigs:delegating")
    report = crashtest(plan, tmp_path, Wishes(boundaries=20, path=(ROOT,)))
    assert not list(report.findings())
    assert report.ended == len(report.trials)
    assert "g1/turn/1/call/0/child/g1/turn/1/call/2/intent/1" in report.places
    assert "g1/turn/1/call/0/child/g1/turn/2/call/0/question/decided" in report.places
    assert report.clean.verdict.effects == {"read": 1, "idempotent": 1, "irreversible": 1, "reconcilable": 1}

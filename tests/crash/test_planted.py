"""A crash test that cannot find a fault proves nothing: these faults are planted, and must be found."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ripieno.domain.errors import Invalid
from ripieno.testing.crashtest.campaign import CLEAN, Report, Wishes, crashtest
from ripieno.testing.crashtest.plans import Fault, When
from tests.crash.given import ONE_RUN, ROOT, agent

pytestmark = pytest.mark.crash


def attacked(rig: str, folder: Path, wishes: Wishes) -> Report:
    plan = replace(ONE_RUN, agents=(agent("clerk", tools=["shop"]),), rig=f"tests.crash.rigs:{rig}")
    return crashtest(plan, folder, replace(wishes, path=(ROOT,)))


PAID = Fault(When.BEFORE, "g1/turn/1/call/2")


def test_an_append_that_is_acknowledged_and_not_written(tmp_path: Path):
    report = attacked("forgetful", tmp_path, Wishes(only=PAID))
    assert not report.passed
    assert report.clean.verdict.count("lost") > 0
    assert report.doubled["irreversible"] > 0
    (trial,) = report.trials
    assert "shop.pay (irreversible) was called 2 times for g1/turn/1/call/2" in {
        finding.detail for finding in trial.verdict.findings
    }
    found = [item for item in report.as_json()["findings"] if item["boundary"] == trial.name]
    assert found[0]["place"] == PAID.place
    assert json.dumps(report.as_json())


def test_outcomes_that_are_not_looked_at(tmp_path: Path):
    report = attacked("blind", tmp_path, Wishes(only=Fault(When.AFTER, PAID.place)))
    (trial,) = report.trials
    assert trial.verdict.count("repeated") > 0
    assert not report.passed


def test_a_process_that_cannot_start(tmp_path: Path):
    report = attacked("broken", tmp_path, Wishes())
    assert [finding.detail for _, finding in report.findings()] == [
        "a process ended with 1; the last line of its log: RuntimeError: planted"
    ]
    assert report.trials == ()


def test_a_process_that_does_not_end(tmp_path: Path):
    report = attacked("stuck", tmp_path, Wishes(seconds=0.2))
    assert [finding.detail for _, finding in report.findings()] == ["a process did not end in 0.2 s"]


def test_only_boundaries_that_there_are(tmp_path: Path):
    with pytest.raises(Invalid, match="no boundary 99"):
        crashtest(ONE_RUN, tmp_path, Wishes(only=Fault(When.AFTER, "99")))
    with pytest.raises(Invalid, match="earlier crash test"):
        crashtest(ONE_RUN, tmp_path)
    assert (tmp_path / CLEAN).exists()


def test_one_boundary_by_its_number(tmp_path: Path):
    told: list[tuple[int, int]] = []
    report = crashtest(
        ONE_RUN, tmp_path, Wishes(only=Fault(When.AFTER, "2")), told=lambda done, of: told.append((done, of))
    )
    assert [(trial.name, trial.place) for trial in report.trials] == [("after:2", "claim/1")]
    assert told == [(1, 1)]

"""SIGKILL on both sides of every commit: nothing completed is repeated, nothing is lost, once stays once."""

from collections import Counter
from pathlib import Path

import pytest

from ripieno.testing.crashtest.campaign import Report, Wishes, crashtest
from ripieno.testing.crashtest.plans import Plan
from tests.crash.given import ONE_RUN, TEAM_RUN

pytestmark = pytest.mark.crash


def attacked(plan: Plan, folder: Path, wishes: Wishes | None = None) -> Report:
    report = crashtest(plan, folder, wishes)
    assert report.passed, [(trial.name, trial.place, finding) for trial, finding in report.findings()]
    assert report.ended == len(report.trials)
    return report


def test_an_agent_killed_everywhere(tmp_path: Path):
    report = attacked(ONE_RUN, tmp_path)
    claims = [place for place in report.places if place.startswith("claim/")]
    assert claims
    assert len(report.trials) == 2 * len(report.places) - len(claims)
    assert {trial.name for trial in report.trials if not trial.reached} <= {
        trial.name for trial in report.trials if "park/" in trial.place or "claim/" in trial.place
    }
    assert report.clean.verdict.effects == Counter(read=2, idempotent=1, reconcilable=1, irreversible=2)
    assert report.asked > 0
    assert report.again["idempotent"] > 0
    assert not report.doubled


def test_a_team_killed_everywhere_that_counts(tmp_path: Path):
    report = attacked(TEAM_RUN, tmp_path, Wishes(boundaries=20))
    assert {place.rpartition("/g1/")[0] for place in report.places if "/g1/" in place} >= {
        "g1/child/plan",
        "g1/child/draft-1",
        "g1/child/review-1",
        "g1/child/deliver",
    }
    assert report.clean.verdict.effects["irreversible"] == 3

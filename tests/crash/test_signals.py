"""Processes that are killed at random, frozen, told to stop, or killed while all that is left waits for a person."""

import random
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ripieno.clock import SystemClock
from ripieno.domain.errors import StoreBusy
from ripieno.store.dispatch_local import LocalDispatch
from ripieno.store.embedded import open_store
from ripieno.testing.crashtest.judging import SETTLED
from ripieno.testing.crashtest.life import ENDED, STOPPED
from ripieno.testing.crashtest.nursery import Child
from ripieno.testing.crashtest.plans import Plan
from tests.crash.given import MANY_RUNS, ONE_RUN, TEAM_RUN, Story

pytestmark = pytest.mark.crash

Begun = Callable[[Plan], Story]


def at_work(story: Story) -> Child:
    """A life that has called a tool."""
    calls = sum(line["what"] == "called" for line in story.lines())
    child = story.begin()
    deadline = time.monotonic() + 20
    while sum(line["what"] == "called" for line in story.lines()) == calls and time.monotonic() < deadline:
        time.sleep(0.002)
    return child


@pytest.mark.parametrize("seed", range(4))
def test_killed_at_random_many_times(story: Begun, seed: int):
    dice, many = random.Random(seed), story(replace(MANY_RUNS, goal=f"seed {seed}"))  # noqa: S311 - a dice, no secret
    codes: list[int] = []
    for _ in range(6):
        child = at_work(many)
        time.sleep(dice.uniform(0.0, 0.06))
        child.send(signal.SIGKILL)
        codes.append(child.ended())
    assert -signal.SIGKILL in codes
    assert many.live() == ENDED
    verdict = many.judged()
    assert verdict.runs == many.plan.runs
    assert verdict.effects["irreversible"] == 2 * many.plan.runs


@pytest.mark.parametrize("seed", range(3))
def test_teams_killed_at_random(story: Begun, seed: int):
    dice = random.Random(seed)  # noqa: S311
    teams = story(replace(TEAM_RUN, goal=f"{TEAM_RUN.goal} {seed}", runs=6, latency=0.002))
    for _ in range(6):
        child = teams.begin()
        time.sleep(dice.uniform(0.02, 0.3))
        child.send(signal.SIGKILL)
        child.ended()
    assert teams.live() == ENDED
    verdict = teams.judged()
    assert verdict.effects["irreversible"] == 3 * teams.plan.runs
    assert {run["status"] for run in teams.runs()} == {"completed"}


def test_questions_outlive_the_process_and_are_asked_once(story: Begun):
    one = story(ONE_RUN)
    waiting: list[list[str]] = []
    for _ in range(3):
        child = one.begin(attended=False)
        while not any(line["what"] == "rested" and line["life"] == one.lives for line in one.lines()):
            time.sleep(0.005)
        child.send(signal.SIGKILL)
        child.ended()
        (run,) = one.runs()
        assert run["status"] == "awaiting_approval"
        waiting.append([key for _, key, kind, _ in run["entries"] if kind == "interrupt.opened"])
    assert waiting == [["g1/turn/1/call/2/approval"]] * 3
    assert one.live() == ENDED
    assert one.judged().asked == 0


async def test_frozen_and_thawed(story: Begun):
    many = story(MANY_RUNS)
    child = at_work(many)
    child.send(signal.SIGSTOP)
    before = len(many.lines())
    for _ in range(3):
        with pytest.raises(StoreBusy, match=f"process {child.pid}"):
            await open_store(many.folder / "data", SystemClock(), LocalDispatch())
    assert len(many.lines()) == before
    child.send(signal.SIGCONT)
    assert child.ended() == ENDED
    verdict = many.judged()
    assert verdict.asked == 0
    assert not verdict.again


@pytest.mark.parametrize("seed", range(3))
def test_told_to_stop_in_the_middle(story: Begun, seed: int):
    dice = random.Random(seed)  # noqa: S311
    many = story(replace(MANY_RUNS, goal=f"stop {seed}", latency=0.03))
    child = at_work(many)
    time.sleep(dice.uniform(0.0, 0.2))
    child.send(signal.SIGTERM)
    assert child.ended() == STOPPED
    drained = many.runs()
    assert {effect[3] for run in drained for effect in run["effects"]} <= SETTLED
    assert "running" not in {run["status"] for run in drained}
    assert many.live() == ENDED
    verdict = many.judged()
    assert verdict.asked == 0
    assert verdict.again.keys() <= {"read"}


def test_each_life_has_its_log(story: Begun, tmp_path: Path):
    broken = story(replace(ONE_RUN, rig="tests.crash.rigs:broken"))
    assert broken.live() == 1
    assert "planted" in (tmp_path / "story" / "log").read_text()

"""A full disk: what is refused leaves nothing, and when there is room again everything goes on."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from ripieno.testing.crashtest.life import ENDED
from ripieno.testing.crashtest.plans import Plan
from tests.crash.given import MANY_RUNS, Story

pytestmark = pytest.mark.crash


@pytest.mark.parametrize("rig", ["full_disk", "full_file"])
def test_no_room_for_a_second(story: Callable[[Plan], Story], rig: str):
    full = story(replace(MANY_RUNS, runs=10, rig=f"tests.crash.rigs:{rig}"))
    assert full.live() == ENDED
    verdict = full.judged()
    assert verdict.effects["irreversible"] == 20
    assert "giving the run back" in (full.folder / "log").read_text()

"""The process that all lives of this folder's tests are forked from."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ripieno.testing.crashtest.nursery import Nursery
from ripieno.testing.crashtest.plans import Plan
from tests.crash.given import ROOT, Story


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    with Nursery([ROOT]) as mother:
        yield mother


@pytest.fixture
def story(nursery: Nursery, tmp_path: Path) -> Callable[[Plan], Story]:
    """Begins the story of a plan in a folder of its own."""
    return lambda plan: Story(nursery, tmp_path / "story", plan)

"""Every test of this folder that takes `bed` runs once for each kind of store."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ripieno.store.dispatch_local import LocalDispatch
from ripieno.testing.fake_clock import FakeClock
from tests.contracts.bed import STORES, Bed
from tests.servers import postgres

MARKS = {"postgres": postgres.NEEDS}


@pytest.fixture(params=[pytest.param(name, marks=MARKS.get(name, ())) for name in sorted(STORES)])
async def bed(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bed]:
    clock, dispatch = FakeClock(), LocalDispatch()
    async with STORES[request.param](tmp_path / "data", clock, dispatch) as store:
        yield Bed(store, clock, dispatch, tmp_path / "data")

"""The door of the queue: closed while too many are queued, without counting for each request."""

from collections.abc import Awaitable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ripieno import bootstrap
from ripieno.bootstrap import Platform
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.errors import AdmissionClosed
from ripieno.domain.principals import Principal
from ripieno.domain.runs import Run
from ripieno.engine import admission
from ripieno.engine.admission import Admission, Depths
from ripieno.engine.api import StartRun
from ripieno.engine.intake import Options
from ripieno.testing.fake_clock import FakeClock
from ripieno.testing.platform import in_memory
from ripieno.testing.recording_tools import RecordingTools
from ripieno.testing.scripted_model import ScriptedModel, says


class Counted:
    """Records of a queue that a test says the length of."""

    def __init__(self, lengths: dict[str | None, int]) -> None:
        self.lengths = lengths
        self.looks = 0

    async def queued(self, tenant: str | None, at_most: int) -> int:
        self.looks += 1
        return min(at_most, self.lengths.get(tenant, 0))


async def closed(admitted: Awaitable[None]) -> bool:
    try:
        await admitted
    except AdmissionClosed:
        return True
    return False


def door(lengths: dict[str | None, int], **depths: int) -> tuple[Admission, Counted, FakeClock]:
    clock, records = FakeClock(), Counted(lengths)
    return Admission(records, clock, Depths(**depths)), records, clock  # pyright: ignore[reportArgumentType]


async def test_without_limits_nobody_looks():
    own, records, _ = door({None: 10**9})
    for _ in range(100):
        await own.admit("acme")
    assert records.looks == 0


async def test_queue_is_looked_at_once_a_second():
    own, records, clock = door({None: 3}, queued=1000)
    for _ in range(200):
        await own.admit("acme")
    assert records.looks == 1
    clock.advance(admission.LOOK_SECONDS)
    await own.admit("acme")
    assert records.looks == 2


async def test_what_was_started_since_the_look_is_counted():
    own, _, _ = door({None: 3}, queued=5)
    assert [await closed(own.admit("acme")) for _ in range(4)] == [False, False, True, True]


async def test_only_a_fresh_look_says_no():
    own, records, clock = door({None: 3}, queued=5)
    await own.admit("acme")
    await own.admit("acme")
    records.lengths[None] = 0  # workers have taken them all
    clock.advance(admission.LOOK_AGAIN_SECONDS)
    assert not await closed(own.admit("acme"))
    records.lengths[None] = 5
    clock.advance(admission.LOOK_SECONDS)
    looks = records.looks
    assert [await closed(own.admit("acme")) for _ in range(50)] == [True] * 50
    assert records.looks == looks + 1, "a closed door costs no more than an open one"


async def test_tenant_with_a_long_queue_shuts_nobody_elses_door():
    own, _, _ = door({None: 50, "big": 40, "small": 1}, queued=1000, tenant_queued=40)
    assert await closed(own.admit("big"))
    assert not await closed(own.admit("small"))


async def test_looks_at_tenants_that_are_gone_are_thrown_away(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(admission, "MANY", 3)
    own, records, clock = door({}, tenant_queued=1)
    for number in range(9):
        await own.admit(f"t{number}")
        clock.advance(admission.LOOK_SECONDS)
    assert records.looks == 9
    assert len(own._looks) <= 3


def platform(tmp_path: Path, **depths: int) -> Platform:
    agents = [AgentDefinition(name="clerk"), AgentDefinition(name="default")]
    whole = in_memory(ScriptedModel([says("done")] * 9), RecordingTools({}), agents, tmp_path)
    return bootstrap.assemble(replace(whole.ports, depths=Depths(**depths)), Options())


async def start(one: Platform, principal: str = "alice", **given: Any) -> Run:
    return await one.engine.start(StartRun("go"), Principal(principal), **given)


async def test_start_is_refused_while_the_queue_is_full_and_a_repeated_one_is_answered(tmp_path: Path):
    one = platform(tmp_path, queued=2)
    first = await start(one)
    await start(one)
    with pytest.raises(AdmissionClosed, match="2 runs are queued"):
        await start(one)
    with pytest.raises(AdmissionClosed):
        await start(one, run_id="run_0")
    assert (await start(one, run_id=first.id)).id == first.id


async def test_resumed_run_is_always_let_in(tmp_path: Path):
    one = platform(tmp_path, queued=1)
    run = await start(one)
    await one.engine.pause(Principal("alice"), run.id)
    with pytest.raises(AdmissionClosed) as refused:
        await start(one)
    assert refused.value.retry_after == admission.RETRY_SECONDS
    await one.engine.resume(Principal("alice"), run.id)
    assert await one.ports.records.queued(None, 9) == 1

"""Who may run when: tenants in turn, limits of tenants and agents, lanes, and runs that may have killed a worker."""

from collections import Counter

import pytest

from ripieno.domain.batches import Append, ClaimTerms
from ripieno.domain.entries import EntryType, NewEntry
from ripieno.domain.errors import NotFound
from ripieno.domain.outbox import AuditFilter
from ripieno.domain.principals import Principal
from ripieno.domain.runs import Lane, Run, RunStatus
from ripieno.domain.tenants import TenantLimit
from tests.contracts.bed import TENANT, Bed, intent


async def claimed(bed: Bed, slots: int, **terms: object) -> list[Run]:
    return [each.run for each in await bed.journal.claim("w1", slots, ClaimTerms(**terms))]  # pyright: ignore[reportArgumentType]


async def test_tenant_with_a_long_queue_starves_nobody(bed: Bed):
    for _ in range(40):
        await bed.start(tenant="big")
    late = [await bed.start(tenant=tenant) for tenant in ("a", "small", "z")]
    assert {run.id for run in await claimed(bed, 4)} > set(late)


async def test_one_slot_goes_round(bed: Bed):
    for tenant in ("a", "b", "c"):
        for _ in range(3):
            await bed.start(tenant=tenant)
    served = [run.tenant for _ in range(9) for run in await claimed(bed, 1)]
    assert served == ["a", "b", "c"] * 3


async def test_more_tenants_than_one_claim_serves_are_all_served_in_one_round(bed: Bed):
    tenants = [f"t{number:02}" for number in range(40)]
    for tenant in tenants:
        for _ in range(2):
            await bed.start(tenant=tenant)
    served = [run.tenant for _ in range(40) for run in await claimed(bed, 1)]
    assert sorted(served) == tenants


async def test_tenant_never_has_more_under_way_than_its_limit(bed: Bed):
    await bed.limit("small", 2)
    for _ in range(5):
        await bed.start(tenant="small")
        await bed.start(tenant="usual")
    first = await claimed(bed, 100, tenant_running=3)
    assert Counter(run.tenant for run in first) == {"small": 2, "usual": 3}
    assert await claimed(bed, 100, tenant_running=3) == []
    await bed.finish(next(run for run in first if run.tenant == "small"))
    assert [run.tenant for run in await claimed(bed, 100, tenant_running=3)] == ["small"]


async def test_parked_run_leaves_its_place_to_another(bed: Bed):
    run = await bed.running()
    await bed.start()
    assert await claimed(bed, 10, tenant_running=1) == []
    assert await bed.journal.park(bed.waiting(run))
    assert len(await claimed(bed, 10, tenant_running=1)) == 1
    await bed.send(run, "wake")
    assert await claimed(bed, 10, tenant_running=1) == []


async def test_agent_never_has_more_under_way_than_its_limit_over_all_tenants(bed: Bed):
    for tenant in ("a", "b"):
        for _ in range(5):
            await bed.start(tenant=tenant, target="slow")
        await bed.start(tenant=tenant, target="quick")
    first = await claimed(bed, 100, agent_running={"slow": 3})
    assert Counter(run.target for run in first) == {"slow": 3, "quick": 2}
    assert await claimed(bed, 100, agent_running={"slow": 3}) == []
    assert len(await claimed(bed, 100, agent_running={"slow": 5})) == 2


async def test_tenants_take_turns_with_a_limited_agent(bed: Bed):
    for tenant in ("a", "b"):
        for _ in range(3):
            await bed.start(tenant=tenant, target="slow")
    served: list[str] = []
    for _ in range(6):
        (run,) = await claimed(bed, 10, agent_running={"slow": 1})
        served.append(run.tenant)
        await bed.finish(run)
    assert served == ["a", "b"] * 3


async def test_each_agent_has_the_limit_that_is_for_all(bed: Bed):
    for target in ("one", "two"):
        for _ in range(3):
            await bed.start(target=target)
    limits = {"each_agent": 1, "agent_running": {"two": 2}}
    assert Counter(run.target for run in await claimed(bed, 100, **limits)) == {"one": 1, "two": 2}
    assert await claimed(bed, 100, **limits) == []


async def test_agent_at_its_limit_holds_up_no_other(bed: Bed):
    for _ in range(30):
        await bed.start(target="slow", priority=9, lane="interactive")
    other = await bed.start(target="quick", lane="batch")
    got = await claimed(bed, 4, agent_running={"slow": 1})
    assert [run.target for run in got] == ["slow", "quick"]
    assert got[1].id == other


async def test_tenants_that_are_full_are_passed_over_however_many(bed: Bed):
    for number in range(35):
        for _ in range(2):
            await bed.start(tenant=f"full{number:02}")
    assert len([run for _ in range(35) for run in await claimed(bed, 1, tenant_running=1)]) == 35
    last = await bed.start(tenant="zz")
    assert [run.id for run in await claimed(bed, 1, tenant_running=1)] == [last]


async def test_lanes_below_the_last_one_wait(bed: Bed):
    batch, usual, urgent = [await bed.start(lane=lane) for lane in ("batch", "default", "interactive")]
    assert [run.id for run in await claimed(bed, 9, lane=Lane.INTERACTIVE)] == [urgent]
    assert [run.id for run in await claimed(bed, 9, lane=Lane.DEFAULT)] == [usual]
    assert await claimed(bed, 9, lane=Lane.DEFAULT) == []
    assert [run.id for run in await claimed(bed, 9)] == [batch]


async def test_limits_hold_within_lanes_too(bed: Bed):
    for lane in ("batch", "default", "default"):
        await bed.start(lane=lane)
    assert [run.lane for run in await claimed(bed, 9, lane=Lane.DEFAULT, tenant_running=1)] == ["default"]


# -- runs that may have killed their worker ------------------------------------------------------------------------


async def test_leg_without_a_step_counts_as_a_death(bed: Bed):
    run = await bed.running()
    await bed.recover()
    assert (await bed.row(run)).deaths == 1
    again = (await bed.claim(run.id)).run
    assert again.deaths == 1
    meant = NewEntry("pay/intent", EntryType.EFFECT_INTENDED, {})
    await bed.journal.append(Append(again.id, again.epoch, (meant,), intents=(intent(again, "pay"),)))
    await bed.recover()
    assert (await bed.row(run)).deaths == 2, "an intent is no step"


async def test_leg_with_a_step_does_not_count(bed: Bed):
    run = await bed.running()
    await bed.append(run, "a")
    await bed.recover()
    assert (await bed.row(run)).deaths == 0


async def test_step_ends_the_row_of_deaths(bed: Bed):
    run = await bed.running()
    await bed.recover()
    again = (await bed.claim(run.id)).run
    await bed.append(again, "a")
    await bed.recover()
    assert (await bed.row(run)).deaths == 0, "given up is who killed several workers in a row"


@pytest.mark.parametrize("ending", ["park", "finish"])
async def test_leg_that_comes_to_rest_clears_its_run(bed: Bed, ending: str):
    run = await bed.running()
    await bed.recover()
    run = (await bed.claim(run.id)).run
    await (bed.park(run) if ending == "park" else bed.finish(run))
    assert (await bed.row(run)).deaths == 0


async def test_suspect_is_claimed_alone_and_last_unless_asked_for_first(bed: Bed):
    one, two = await bed.running(), await bed.running()
    await bed.recover()
    usual = [await bed.start() for _ in range(2)]
    assert {run.id for run in await claimed(bed, 9)} == set(usual)
    assert [run.id for run in await claimed(bed, 9)] == [one.id]
    await bed.start()
    assert [run.id for run in await claimed(bed, 9, suspects_first=True)] == [two.id]
    assert [run.deaths for run in await claimed(bed, 9, suspects_first=True)] == [0]


async def test_suspects_keep_to_limits(bed: Bed):
    run = await bed.running()
    await bed.recover()
    await bed.start()
    assert len(await claimed(bed, 1, tenant_running=1)) == 1
    assert await claimed(bed, 9, suspects_first=True, tenant_running=1) == []
    assert (await bed.row(run)).status is RunStatus.QUEUED


async def test_death_of_a_held_run_counts(bed: Bed):
    run = await bed.running()
    await bed.journal.pause(TENANT, run.id, "alice")
    await bed.recover()
    row = await bed.row(run)
    assert (row.status, row.deaths) == (RunStatus.PAUSED, 1)
    await bed.journal.resume(TENANT, run.id, "alice")
    assert [each.deaths for each in await claimed(bed, 9)] == [1]


async def test_a_tenants_own_limit_is_set_changed_and_taken_away_on_record(bed: Bed):
    boss = Principal("boss")
    await bed.tenants.limit(boss, TENANT, 1)
    await bed.tenants.limit(boss, TENANT, 2)
    await bed.tenants.limit(boss, "another", 0)
    assert await bed.tenants.limits() == [TenantLimit(TENANT, 2), TenantLimit("another", 0)]
    await bed.tenants.unlimit(boss, TENANT)
    assert await bed.tenants.limits() == [TenantLimit("another", 0)]
    with pytest.raises(NotFound):
        await bed.tenants.unlimit(boss, TENANT)
    rows = await bed.outbox.audits(boss.tenant, AuditFilter(), 10)
    told = [(row.action, row.target, row.detail) for row in reversed(rows)]
    assert told == [
        ("LIMIT_TENANT", TENANT, {"max_running": 1}),
        ("LIMIT_TENANT", TENANT, {"max_running": 2}),
        ("LIMIT_TENANT", "another", {"max_running": 0}),
        ("UNLIMIT_TENANT", TENANT, None),
    ]

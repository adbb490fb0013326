"""Schedules and mailboxes on two stores over one PostgreSQL: each tick has one run, each message one receiver."""

import asyncio

from ripieno.domain import ids
from ripieno.domain.filters import RunFilter
from ripieno.domain.mail import NewMail
from ripieno.domain.runs import RunKind
from ripieno.domain.schedules import NewSchedule, Overlap, ScheduleSpec, Target
from ripieno.store.mailboxes import StoredMailboxes
from ripieno.store.schedules import StoredSchedules
from tests.contracts.bed import TENANT
from tests.servers import postgres
from tests.unit.store.postgres.conftest import OpenCluster

pytestmark = postgres.NEEDS
CLERK = Target("clerk", "v1", RunKind.AGENT)


async def test_two_schedulers_start_one_run_for_each_tick(cluster: OpenCluster):
    async with cluster() as two:
        here, there = (StoredSchedules(store.frames) for store in two.stores)
        names = [f"s{n}" for n in range(5)]
        for name in names:
            spec = ScheduleSpec(every=60, overlap=Overlap.ALLOW)
            await here.create(NewSchedule(two.clock.new_id(ids.SCHEDULE), TENANT, name, "clerk", spec, "alice"))
        for _ in range(4):
            two.clock.advance(60)
            due = [schedule.id for schedule in await there.due(10)]
            assert len(due) == len(names)
            await asyncio.gather(*(side.tick(schedule, CLERK) for schedule in due for side in (here, there)))
        lines = [line for name in names for line in await here.ticks(TENANT, name, 100)]
        assert len(lines) == len({line.run_id for line in lines}) == 20
        assert len(await two.beds[0].records.runs(TENANT, RunFilter(), 100)) == 20


async def test_two_receivers_get_each_message_once(cluster: OpenCluster):
    async with cluster() as two:
        here, there = (StoredMailboxes(store.frames) for store in two.stores)
        sent = [NewMail(two.clock.new_id(ids.MESSAGE), TENANT, "agent/clerk", "bob", n) for n in range(40)]
        await asyncio.gather(*((here, there)[n % 2].post(each) for n, each in enumerate(sent)))
        taken = await asyncio.gather(
            *((here, there)[n % 2].receive(TENANT, "agent/clerk", 3, "eve", f"key{n}") for n in range(16))
        )
        assert sorted(each.body for found in taken for each in found) == list(range(40))
        for found in taken:
            assert [each.n for each in found] == sorted(each.n for each in found)

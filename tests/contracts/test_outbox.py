"""The outbox read: events by position, audit rows newest first."""

import asyncio

import pytest

from ripieno.domain.dead_letters import DeadLetterFilter
from ripieno.domain.outbox import AuditFilter, AuditRow, OutboxRow
from ripieno.domain.runs import RunStatus
from tests.contracts.bed import TENANT, Bed


async def numbered(bed: Bed, count: int) -> list[OutboxRow]:
    """The tenant's events when they have their positions, which on PostgreSQL another task gives them."""
    async with asyncio.timeout(30):
        while len(seen := list(await bed.outbox.events(TENANT, None, 0, 10))) < count:
            await bed.journal.pump()
            await asyncio.sleep(0.005)
    return seen


async def test_events_are_read_by_position_in_pages(bed: Bed):
    run = await bed.running()
    asked = await bed.ask(run)
    await bed.finish(run)
    await bed.start(tenant="other")
    seen = await numbered(bed, 3)
    assert [row.type for row in seen] == ["run.created", "interrupt.opened", "run.ended"]
    assert [row.run_id for row in seen] == [run.id] * 3
    assert seen[0].body == {
        "kind": "agent",
        "target": "clerk",
        "session_id": "ses_1",
        "parent_id": None,
        "created_by": "alice",
    }
    assert seen[1].body == {"interrupt_id": asked, "kind": "approval"}
    assert seen[2].body == {"status": "completed", "exit_reason": "completed"}
    assert {row.at for row in seen} == {bed.clock.now()}
    first, *rest = seen
    assert list(await bed.outbox.events(TENANT, None, 0, 1)) == [first]
    assert list(await bed.outbox.events(TENANT, None, first.pos, 10)) == rest


@pytest.mark.parametrize(
    ("kind", "found"),
    [("run.*", ["run.created", "run.ended", "run.created"]), ("run.ended", ["run.ended"]), ("run", []), ("*", None)],
)
async def test_events_are_filtered_by_type(bed: Bed, kind: str, found: list[str] | None):
    await bed.ended()
    await bed.ask(await bed.running())
    await numbered(bed, 4)
    seen = [row.type for row in await bed.outbox.events(TENANT, kind, 0, 10)]
    assert seen == found if found is not None else len(seen) == 4


async def test_audit_rows_are_filtered_and_paged(bed: Bed):
    for by in ("bob", "carol", "bob"):
        run = await bed.running()
        await bed.send(run, by)
        await bed.finish(run, RunStatus.COMPLETED)
        bed.clock.advance(1)
        (letter,) = await bed.dead_letters.page(TENANT, DeadLetterFilter(run_id=run.id), 1)
        await bed.dead_letters.discard(TENANT, letter.id, by)

    async def rows(which: AuditFilter, **page: int) -> list[AuditRow]:
        return list(await bed.outbox.audits(TENANT, which, page.pop("limit", 10), **page))

    found = await rows(AuditFilter())
    assert [row.actor for row in found] == ["bob", "carol", "bob"]
    assert [row.at for row in found] == sorted((row.at for row in found), reverse=True)
    assert await rows(AuditFilter(), limit=1) == found[:1]
    assert await rows(AuditFilter(), before=found[0].number) == found[1:]
    assert await rows(AuditFilter(actor="carol")) == found[1:2]
    assert await rows(AuditFilter(action="DISCARD_DEAD_LETTER", since=found[1].at)) == found[:2]
    assert await rows(AuditFilter(action="OTHER_THING")) == []
    assert list(await bed.outbox.audits("other", AuditFilter(), 10)) == []

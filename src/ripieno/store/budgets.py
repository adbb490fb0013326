"""Budgets in the database: what is allowed, how it stands, who raised it; see `budget_chunks` for how it is spent."""

from collections.abc import Sequence
from datetime import datetime

from ripieno.domain.budgets import (
    MEASURES,
    Account,
    Amount,
    Budget,
    BudgetState,
    Chunk,
    Raise,
    Reservation,
    Shortage,
    UsageGroup,
    UsageRow,
    Window,
    Wish,
    window_of,
)
from ripieno.domain.errors import NotFound
from ripieno.store import budget_chunks
from ripieno.store.budget_chunks import (
    ACCOUNT,
    AMOUNTS,
    BUDGETS,
    HERE,
    OPEN_ACCOUNT,
    THERE,
    account_of,
    amount_of,
    budget_of,
    given,
    here,
    in_force,
    sums,
    values,
)
from ripieno.store.portable.frame import Frame, Frames, Work
from ripieno.store.usage import usage

PUT = f"""
INSERT INTO budgets (tenant, scope, period, {AMOUNTS}, on_exceeded, warn_at, set_by, set_at)
VALUES (:tenant, :scope, :period, {values()}, :on_exceeded, :warn_at::float, :set_by, :now)
ON CONFLICT (tenant, scope, period) DO UPDATE SET
  {", ".join(f"{one} = excluded.{one}" for one in MEASURES)},
  on_exceeded = excluded.on_exceeded, warn_at = excluded.warn_at, set_by = excluded.set_by, set_at = excluded.set_at
"""  # noqa: S608 - constants

# Whoever holds more than is now allowed gives it back, and what was raised before was for the old limit.
BEGIN_ANEW = f"""
UPDATE budget_accounts SET warned = false, wanted_at = :now, {", ".join(f"raised_{one} = 0" for one in MEASURES)}
WHERE {THERE}
"""  # noqa: S608

REMOVE = f"DELETE FROM budgets WHERE {HERE} RETURNING scope"  # noqa: S608

NOTE_RAISE = """
INSERT INTO budget_raises (id, tenant, scope, period, since, measure, amount, raised_by, at)
VALUES (:id, :tenant, :scope, :period, :since, :measure, :amount::bigint, :by, :now)
ON CONFLICT DO NOTHING RETURNING id
"""

RAISES = {
    one: f"UPDATE budget_accounts SET raised_{one} = raised_{one} + :amount::bigint WHERE {THERE}"  # noqa: S608
    for one in MEASURES
}

OUT = f"""
SELECT {sums("settled", "used_")}, {sums("open", "open_")}
FROM reservations JOIN budget_chunks ON budget_chunks.id = reservations.chunk_id
WHERE budget_chunks.tenant = :tenant AND budget_chunks.scope = :scope AND budget_chunks.period = :period
  AND budget_chunks.since = :since
"""  # noqa: S608

OPEN = f"""
SELECT key, scope, period, since, chunk_id, {AMOUNTS} FROM reservations
WHERE tenant = :tenant AND run_id = :run_id AND state = 'open' ORDER BY key, scope, period
"""  # noqa: S608


class StoredBooks:
    """The `Books` of budgets on either database."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames

    async def budgets(self) -> Sequence[Budget]:
        return await self._frames.read(_all)

    async def put(self, budget: Budget) -> Budget:
        return await self._frames.write(_put, budget)

    async def remove(self, tenant: str, scope: str, window: Window, by: str) -> None:
        await self._frames.write(_remove, tenant, scope, window, by)

    async def states(self, budgets: Sequence[Budget]) -> Sequence[BudgetState]:
        return await self._frames.read(_states, budgets)

    async def raise_by(self, more: Raise) -> None:
        await self._frames.write(_raise, more)

    async def reserved(self, tenant: str, run_id: str) -> Sequence[Reservation]:
        return await self._frames.read(_reserved, tenant, run_id)

    async def usage(self, tenant: str, by: UsageGroup, since: datetime, until: datetime) -> Sequence[UsageRow]:
        return await self._frames.read(usage, tenant, by, since, until)

    async def lease(self, wish: Wish, holder: str) -> Chunk | Shortage | None:
        return await self._frames.write(budget_chunks.lease, wish, holder)

    async def give_back(self, chunk_id: str) -> None:
        await self._frames.write(budget_chunks.close, chunk_id)

    async def shrink(self, chunk_id: str, keep: Amount) -> None:
        await self._frames.write(budget_chunks.shrink, chunk_id, keep)

    async def renew(self, chunk_ids: Sequence[str]) -> tuple[frozenset[str], frozenset[str]]:
        return await self._frames.write(budget_chunks.renew, chunk_ids)

    async def reclaim(self, seconds: float) -> int:
        found = await self._frames.read(budget_chunks.silent, seconds)
        taken = [await self._frames.write(budget_chunks.reclaim, chunk_id, seconds) for chunk_id in found]
        return sum(taken)


def _all(frame: Frame) -> Work[list[Budget]]:
    rows = yield from frame.all(f"{BUDGETS} ORDER BY tenant, scope, period")
    return [budget_of(row) for row in rows]


def _put(frame: Frame, budget: Budget) -> Work[Budget]:
    since, _ = window_of(budget.window, frame.now)
    rule = {"on_exceeded": budget.on_exceeded.value, "warn_at": budget.warn_at, "set_by": budget.set_by}
    yield from frame.all(PUT, **here(budget), **given(budget.caps), **rule, now=frame.now)
    yield from frame.all(BEGIN_ANEW, **here(budget), since=since, now=frame.now)
    told = {"action": "SET_BUDGET", "actor": budget.set_by, **here(budget), "limits": budget.caps.shown()}
    yield from frame.tell(budget.tenant, "audit", "", told)
    now = yield from in_force(frame, budget)
    return now or budget


def _remove(frame: Frame, tenant: str, scope: str, window: Window, by: str) -> Work[None]:
    there = {"tenant": tenant, "scope": scope, "period": window.value}
    if (yield from frame.one(REMOVE, **there)) is None:
        raise NotFound("budget", f"{scope} ({window})")
    yield from frame.tell(tenant, "audit", "", {"action": "REMOVE_BUDGET", "actor": by, **there})


def _states(frame: Frame, budgets: Sequence[Budget]) -> Work[list[BudgetState]]:
    found: list[BudgetState] = []
    for budget in budgets:
        since, _ = window_of(budget.window, frame.now)
        there = {**here(budget), "since": since}
        row = yield from frame.one(ACCOUNT, **there)
        account = account_of(row) if row else Account()
        (out,) = yield from frame.all(OUT, **there)
        used, reserved = (amount_of(out, "used_"), amount_of(out, "open_"))
        warned = row is not None and row.flag("warned")
        standing = BudgetState(budget, since, account.raised, account.spent + used, reserved, account.leased, warned)
        found.append(standing)
    return found


def _raise(frame: Frame, more: Raise) -> Work[None]:
    there = {**here(more.budget), "since": more.since}
    note = {"id": more.id, "measure": more.measure.value, "amount": more.amount, "by": more.by}
    if (yield from frame.one(NOTE_RAISE, **there, **note, now=frame.now)) is None:
        return  # done before
    yield from frame.all(OPEN_ACCOUNT, **there)
    yield from frame.all(RAISES[more.measure], **there, amount=more.amount)
    told = {"action": "RAISE_BUDGET", "actor": more.by, **here(more.budget)}
    added = Amount.with_each(lambda measure: more.amount if measure is more.measure else 0)
    amount = {more.measure.value: added.shown()[more.measure]}
    yield from frame.tell(more.budget.tenant, "audit", more.run_id, {**told, "amount": amount})


def _reserved(frame: Frame, tenant: str, run_id: str) -> Work[list[Reservation]]:
    rows = yield from frame.all(OPEN, tenant=tenant, run_id=run_id)
    return [
        Reservation(
            run_id, row["key"], row["scope"], Window(row["period"]), row.time("since"), row["chunk_id"], amount_of(row)
        )
        for row in rows
    ]

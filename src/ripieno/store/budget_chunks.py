"""How workers hold parts of budgets: taken, made smaller, given back, taken from the dead.

Each verb locks one account first and all else after, and no transaction of a run's journal touches accounts or chunks:
nobody who leases waits for a run, and no run waits for them. Reservations are the journal's; here they are only read.

`leased` of an account is the sum of its chunks. A chunk that is closed adds what its reservations really used to
`spent`, and the rest is free again.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from ripieno.domain.budgets import (
    MEASURES,
    NOTHING,
    Account,
    Amount,
    Budget,
    Caps,
    Chunk,
    Measure,
    OnExceeded,
    Shortage,
    Window,
    Wish,
    granted,
    limit,
    nearly_spent,
    window_of,
)
from ripieno.store.portable.frame import Frame, Record, Work

CALL_BACK = timedelta(seconds=5)
"""How long workers give back after somebody found too little."""

SLICE = 200

HERE = "tenant = :tenant AND scope = :scope AND period = :period"
THERE = f"{HERE} AND since = :since"
AMOUNTS = ", ".join(MEASURES)


def columns(prefix: str) -> str:
    """The columns of an amount."""
    return ", ".join(f"{prefix}{measure}" for measure in MEASURES)


def values(prefix: str = "") -> str:
    """The parameters of an amount."""
    return ", ".join(f":{prefix}{measure}::bigint" for measure in MEASURES)


def given(amount: Amount | Caps, prefix: str = "") -> dict[str, int | None]:
    """What stands for those parameters."""
    return {f"{prefix}{measure}": amount.of(measure) for measure in MEASURES}


def amount_of(row: Record, prefix: str = "") -> Amount:
    """An amount as a row has it."""
    return Amount.with_each(lambda measure: int(row[f"{prefix}{measure}"]))


def sums(state: str, prefix: str) -> str:
    """The sums over reservations in a state."""
    return ", ".join(
        f"coalesce(sum(CASE WHEN state = '{state}' THEN reservations.{measure} ELSE 0 END), 0)::bigint "
        f"AS {prefix}{measure}"
        for measure in MEASURES
    )


BUDGETS = f"SELECT tenant, scope, period, {AMOUNTS}, on_exceeded, warn_at, set_by, set_at FROM budgets"  # noqa: S608 - constants

BUDGET = f"{BUDGETS} WHERE {HERE}"

OPEN_ACCOUNT = f"""
INSERT INTO budget_accounts (
  tenant, scope, period, since, {columns("spent_")}, {columns("leased_")}, {columns("raised_")}, warned
) VALUES (:tenant, :scope, :period, :since, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, false) ON CONFLICT DO NOTHING
"""  # noqa: S608

ACCOUNT = f"SELECT * FROM budget_accounts WHERE {THERE}"  # noqa: S608

LOCKED = f"{ACCOUNT} FOR UPDATE"

MOVE = f"""
UPDATE budget_accounts SET
  {", ".join(f"spent_{one} = spent_{one} + :spent_{one}::bigint" for one in MEASURES)},
  {", ".join(f"leased_{one} = leased_{one} + :leased_{one}::bigint" for one in MEASURES)}
WHERE {THERE}
"""  # noqa: S608

CHUNK = "SELECT * FROM budget_chunks WHERE id = :id"

KEEP = f"""
INSERT INTO budget_chunks (id, tenant, scope, period, since, holder, seen_at, {AMOUNTS})
VALUES (:id, :tenant, :scope, :period, :since, :holder, :now, {values()})
"""  # noqa: S608

RESIZE = f"UPDATE budget_chunks SET {', '.join(f'{one} = :{one}::bigint' for one in MEASURES)} WHERE id = :id"  # noqa: S608

DROP = "DELETE FROM budget_chunks WHERE id = :id"

DRAWN = f"""
SELECT {sums("settled", "used_")}, {sums("open", "open_")},
  coalesce(sum(CASE WHEN state = 'open' THEN 1 ELSE 0 END), 0)::bigint AS under_way
FROM reservations WHERE chunk_id = :id
"""  # noqa: S608

WARN = f"UPDATE budget_accounts SET warned = true WHERE {THERE}"  # noqa: S608

CALL = f"UPDATE budget_accounts SET wanted_at = :now WHERE {THERE}"  # noqa: S608

RENEW = "UPDATE budget_chunks SET seen_at = :now WHERE id = ANY(:ids::text[]) RETURNING id"

CALLED = """
SELECT budget_chunks.id FROM budget_chunks JOIN budget_accounts ON budget_accounts.tenant = budget_chunks.tenant
  AND budget_accounts.scope = budget_chunks.scope AND budget_accounts.period = budget_chunks.period
  AND budget_accounts.since = budget_chunks.since
WHERE budget_chunks.id = ANY(:ids::text[]) AND budget_accounts.wanted_at > :lately
"""

SILENT = "SELECT id FROM budget_chunks WHERE seen_at <= :before ORDER BY seen_at, id LIMIT :slice::int"

# What must be kept for acts under way goes to the end of that row: it may not stand in the way of the others.
LATER = "UPDATE budget_chunks SET seen_at = :now WHERE id = :id"


def lease(frame: Frame, wish: Wish, holder: str) -> Work[Chunk | Shortage | None]:
    """See `Books.lease`."""
    since, until = window_of(wish.budget.window, frame.now)
    there = {**here(wish.budget), "since": since}
    yield from frame.all(OPEN_ACCOUNT, **there)
    yield from frame.one(LOCKED, **there)
    for chunk_id in wish.done:
        yield from close(frame, chunk_id)
    budget = yield from in_force(frame, wish.budget)
    row = yield from frame.one(ACCOUNT, **there)
    if budget is None or row is None:
        return None
    account = account_of(row)
    twice = yield from frame.one(CHUNK, id=wish.chunk_id)
    if twice is not None:  # the answer to the first time was lost
        return Chunk(wish.chunk_id, budget, since, until, amount_of(twice), account.spent)
    share = granted(budget.caps, account, wish.need, wish.least)
    if isinstance(share, Measure):
        yield from frame.all(CALL, **there, now=frame.now)
        return shortage(budget, account, share, wish, since)
    kept = {"id": wish.chunk_id, "holder": holder, "now": frame.now}
    yield from frame.all(KEEP, **there, **kept, **given(share))
    yield from _move(frame, there, NOTHING, share)
    warned = nearly_spent(budget, account) and not row.flag("warned")
    if warned:
        yield from frame.all(WARN, **there)
        told = {**here(budget), "spent": account.spent.shown(), "limits": budget.caps.shown()}
        yield from frame.tell(budget.tenant, "budget.warned", "", told)
    return Chunk(wish.chunk_id, budget, since, until, share, account.spent, warned)


def shortage(budget: Budget, account: Account, measure: Measure, wish: Wish, since: datetime) -> Shortage:
    """Why there is nothing to have."""
    most = limit(budget.caps, account, measure)
    spent, leased = account.spent.of(measure), account.leased.of(measure)
    return Shortage(budget, since, measure, most, spent, leased, wish.least.of(measure))


def in_force(frame: Frame, budget: Budget) -> Work[Budget | None]:
    """A budget as it is now: a row goes before what the caller knows; None when the row is gone."""
    if budget.scope.startswith("run:"):
        return budget
    row = yield from frame.one(BUDGET, **here(budget))
    if row is not None:
        return budget_of(row)
    return None if budget.kept else budget


def close(frame: Frame, chunk_id: str, silent_since: datetime | None = None) -> Work[bool]:
    """Give a chunk back, whole or, where acts are under way, but for what they may use. False when it is gone.

    With `silent_since` only if its holder has not been heard since.
    """
    row = yield from frame.one(CHUNK, id=chunk_id)
    if row is None:
        return False
    there = _there(row)
    yield from frame.one(LOCKED, **there)
    row = yield from frame.one(CHUNK, id=chunk_id)
    if row is None or (silent_since is not None and row.time("seen_at") > silent_since):
        return False
    (drawn,) = yield from frame.all(DRAWN, id=chunk_id)
    held, used = amount_of(row), amount_of(drawn, "used_")
    if drawn["under_way"]:
        keep = held.at_most(used + amount_of(drawn, "open_"))
        yield from _resize(frame, chunk_id, there, held, keep)
        if silent_since is not None:
            yield from frame.all(LATER, id=chunk_id, now=frame.now)
    else:
        yield from frame.all(DROP, id=chunk_id)
        yield from _move(frame, there, used, NOTHING - held)
    return True


def shrink(frame: Frame, chunk_id: str, keep: Amount) -> Work[None]:
    """Give back what of a chunk is over `keep`."""
    row = yield from frame.one(CHUNK, id=chunk_id)
    if row is not None:
        there = _there(row)
        yield from frame.one(LOCKED, **there)
        row = yield from frame.one(CHUNK, id=chunk_id)
    if row is not None:
        held = amount_of(row)
        yield from _resize(frame, chunk_id, _there(row), held, held.at_most(keep))


def renew(frame: Frame, chunk_ids: Sequence[str]) -> Work[tuple[frozenset[str], frozenset[str]]]:
    """See `Books.renew`."""
    held = yield from frame.all(RENEW, now=frame.now, ids=list(chunk_ids))
    called = yield from frame.all(CALLED, ids=list(chunk_ids), lately=frame.now - CALL_BACK)
    return frozenset(row["id"] for row in held), frozenset(row["id"] for row in called)


def silent(frame: Frame, seconds: float) -> Work[list[str]]:
    """The chunks that nobody has confirmed for so long."""
    before = frame.now - timedelta(seconds=seconds)
    rows = yield from frame.all(SILENT, before=before, slice=SLICE)
    return [row["id"] for row in rows]


def reclaim(frame: Frame, chunk_id: str, seconds: float) -> Work[bool]:
    """Take a chunk from a holder that has been silent for so long; False when it was not, or the chunk is gone."""
    return (yield from close(frame, chunk_id, frame.now - timedelta(seconds=seconds)))


def here(budget: Budget) -> dict[str, str]:
    """Where a budget's row is."""
    return {"tenant": budget.tenant, "scope": budget.scope, "period": budget.window.value}


def account_of(row: Record) -> Account:
    """The sums of an account."""
    return Account(amount_of(row, "spent_"), amount_of(row, "leased_"), amount_of(row, "raised_"))


def budget_of(row: Record) -> Budget:
    """A row of BUDGETS."""
    limits = (row[measure] for measure in MEASURES)
    return Budget(
        tenant=row["tenant"],
        scope=row["scope"],
        window=Window(row["period"]),
        caps=Caps(*limits),
        on_exceeded=OnExceeded(row["on_exceeded"]),
        warn_at=row["warn_at"],
        kept=True,
        set_by=row["set_by"],
        set_at=row.time("set_at"),
    )


def _there(row: Record) -> dict[str, object]:
    return {**{name: row[name] for name in ("tenant", "scope", "period")}, "since": row.time("since")}


def _resize(frame: Frame, chunk_id: str, there: Mapping[str, object], held: Amount, keep: Amount) -> Work[None]:
    yield from frame.all(RESIZE, id=chunk_id, **given(keep))
    yield from _move(frame, there, NOTHING, keep - held)


def _move(frame: Frame, there: Mapping[str, object], spent: Amount, leased: Amount) -> Work[None]:
    yield from frame.all(MOVE, **there, **given(spent, "spent_"), **given(leased, "leased_"))

"""Budgets without a database: The `Books` of budgets over what `MemoryJournal` remembers."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from ripieno.domain.budgets import (
    NOTHING,
    Account,
    Amount,
    Budget,
    BudgetState,
    Chunk,
    Measure,
    Raise,
    Reservation,
    Shortage,
    UsageGroup,
    UsageRow,
    Window,
    Wish,
    granted,
    limit,
    nearly_spent,
    window_of,
)
from ripieno.domain.entries import Entry, EntryType
from ripieno.domain.errors import NotFound
from ripieno.domain.runs import Run
from ripieno.ports import Clock
from ripieno.testing.memory_state import Memory

CALL_BACK = timedelta(seconds=5)

Place = tuple[str, str, Window, datetime]


@dataclass
class _Book:
    account: Account = field(default_factory=Account)
    warned: bool = False
    wanted_at: datetime | None = None


@dataclass
class _Held:
    place: Place
    seen_at: datetime
    amount: Amount


class MemoryBooks:
    """Nothing here awaits in between, so the event loop makes each promise atomic."""

    def __init__(self, memory: Memory, clock: Clock) -> None:
        self._memory = memory
        self._clock = clock
        self._budgets: dict[tuple[str, str, Window], Budget] = {}
        self._books: dict[Place, _Book] = {}
        self._chunks: dict[str, _Held] = {}
        self._raised: set[str] = set()

    async def budgets(self) -> Sequence[Budget]:
        return [self._budgets[key] for key in sorted(self._budgets)]

    async def put(self, budget: Budget) -> Budget:
        kept = replace(budget, kept=True, set_at=self._clock.now())
        self._budgets[budget.tenant, budget.scope, budget.window] = kept
        book = self._books.get(self._place(budget))
        if book is not None:
            book.account = replace(book.account, raised=NOTHING)
            book.warned, book.wanted_at = False, self._clock.now()
        return kept

    async def remove(self, tenant: str, scope: str, window: Window, by: str) -> None:
        del by
        if self._budgets.pop((tenant, scope, window), None) is None:
            raise NotFound("budget", f"{scope} ({window})")

    async def states(self, budgets: Sequence[Budget]) -> Sequence[BudgetState]:
        return [self._standing(budget, self._place(budget)) for budget in budgets]

    async def raise_by(self, more: Raise) -> None:
        if more.id not in self._raised:
            self._raised.add(more.id)
            book = self._books.setdefault(self._place(more.budget, more.since), _Book())
            added = Amount.with_each(lambda measure: more.amount if measure is more.measure else 0)
            book.account = replace(book.account, raised=book.account.raised + added)

    async def reserved(self, tenant: str, run_id: str) -> Sequence[Reservation]:
        state = self._memory.runs.get(run_id)
        if state is None or state.run.tenant != tenant:
            return []
        found = [each.what for each in state.booked if each.open]
        return sorted(found, key=lambda one: (one.key, one.scope, one.window))

    async def usage(self, tenant: str, by: UsageGroup, since: datetime, until: datetime) -> Sequence[UsageRow]:
        found: dict[str, UsageRow] = {}
        for state in self._memory.runs.values():
            for entry in state.entries if state.run.tenant == tenant else ():
                used = _used(entry) if since <= entry.at < until and entry.epoch else None
                if used is not None and (name := _group(state.run, entry, by)) is not None:
                    found[name] = _plus(found.get(name), replace(used, group=name))
        return [found[name] for name in sorted(found)]

    async def lease(self, wish: Wish, holder: str) -> Chunk | Shortage | None:
        del holder
        since, until = window_of(wish.budget.window, self._clock.now())
        place = self._place(wish.budget)
        book = self._books.setdefault(place, _Book())
        for chunk_id in wish.done:
            await self.give_back(chunk_id)
        budget = self._in_force(wish.budget)
        if budget is None:
            return None
        if twice := self._chunks.get(wish.chunk_id):
            return Chunk(wish.chunk_id, budget, since, until, twice.amount, book.account.spent)
        share = granted(budget.caps, book.account, wish.need, wish.least)
        if isinstance(share, Measure):
            book.wanted_at = self._clock.now()
            most = limit(budget.caps, book.account, share)
            spent, leased = book.account.spent.of(share), book.account.leased.of(share)
            return Shortage(budget, since, share, most, spent, leased, wish.least.of(share))
        self._chunks[wish.chunk_id] = _Held(place, self._clock.now(), share)
        book.account = replace(book.account, leased=book.account.leased + share)
        warned = nearly_spent(budget, book.account) and not book.warned
        book.warned = book.warned or warned
        return Chunk(wish.chunk_id, budget, since, until, share, book.account.spent, warned)

    async def give_back(self, chunk_id: str) -> None:
        self._close(chunk_id)

    async def shrink(self, chunk_id: str, keep: Amount) -> None:
        if held := self._chunks.get(chunk_id):
            self._resize(held, held.amount.at_most(keep))

    async def renew(self, chunk_ids: Sequence[str]) -> tuple[frozenset[str], frozenset[str]]:
        now, mine = self._clock.now(), {name: self._chunks[name] for name in chunk_ids if name in self._chunks}
        for held in mine.values():
            held.seen_at = now
        called = {name for name, held in mine.items() if self._is_called(held, now)}
        return frozenset(mine), frozenset(called)

    async def reclaim(self, seconds: float) -> int:
        before = self._clock.now() - timedelta(seconds=seconds)
        silent = [name for name, one in self._chunks.items() if one.seen_at <= before]
        for name in silent:
            self._close(name)
            if held := self._chunks.get(name):
                held.seen_at = self._clock.now()
        return len(silent)

    # -- books ---------------------------------------------------------------------------------------------------

    def _place(self, budget: Budget, since: datetime | None = None) -> Place:
        began, _ = window_of(budget.window, self._clock.now())
        return (budget.tenant, budget.scope, budget.window, since or began)

    def _in_force(self, budget: Budget) -> Budget | None:
        if budget.scope.startswith("run:"):
            return budget
        return self._budgets.get((budget.tenant, budget.scope, budget.window), None if budget.kept else budget)

    def _is_called(self, held: _Held, now: datetime) -> bool:
        wanted_at = self._books[held.place].wanted_at
        return wanted_at is not None and wanted_at > now - CALL_BACK

    def _drawn(self, chunk_id: str) -> tuple[Amount, list[Amount]]:
        """What was used of a chunk, and what acts under way may use."""
        booked = [each for state in self._memory.runs.values() for each in state.booked]
        mine = [each for each in booked if each.what.chunk_id == chunk_id]
        used = sum((each.what.amount for each in mine if not each.open), NOTHING)
        return used, [each.what.amount for each in mine if each.open]

    def _close(self, chunk_id: str) -> None:
        held = self._chunks.get(chunk_id)
        if held is None:
            return
        used, under_way = self._drawn(chunk_id)
        if under_way:
            self._resize(held, held.amount.at_most(sum(under_way, used)))
            return
        del self._chunks[chunk_id]
        book = self._books[held.place]
        account = book.account
        book.account = replace(account, spent=account.spent + used, leased=account.leased - held.amount)

    def _resize(self, held: _Held, keep: Amount) -> None:
        book = self._books[held.place]
        book.account = replace(book.account, leased=book.account.leased - (held.amount - keep))
        held.amount = keep

    def _standing(self, budget: Budget, place: Place) -> BudgetState:
        book = self._books.get(place, _Book())
        drawn = [self._drawn(name) for name, held in self._chunks.items() if held.place == place]
        used = sum((used for used, _ in drawn), NOTHING)
        reserved = sum((amount for _, under_way in drawn for amount in under_way), NOTHING)
        account = book.account
        return BudgetState(
            budget, place[3], account.raised, account.spent + used, reserved, account.leased, warned=book.warned
        )


def _used(entry: Entry) -> UsageRow | None:
    body, seconds = entry.body, entry.body.get("ms", 0.0) / 1000
    if entry.type is EntryType.MODEL_REPLIED:
        usage = body.get("reply", {}).get("usage", {})
        tokens = usage.get("input_tokens", 0), usage.get("output_tokens", 0)
        return UsageRow("", usage.get("cost_usd", 0.0), *tokens, 1, 0, seconds)
    if entry.type is EntryType.TOOL_RETURNED:
        return UsageRow("", 0.0, 0, 0, 0, 0 if body.get("effect", "read") == "read" else 1, seconds)
    return None


def _group(run: Run, entry: Entry, by: UsageGroup) -> str | None:
    model = entry.body["reply"]["model"] if entry.type is EntryType.MODEL_REPLIED else None
    names = {
        UsageGroup.AGENT: run.target,
        UsageGroup.MODEL: model,
        UsageGroup.SESSION: run.session_id,
        UsageGroup.USER: run.created_by,
        UsageGroup.TENANT: run.tenant,
        UsageGroup.DAY: entry.at.date().isoformat(),
    }
    return names[by]


def _plus(one: UsageRow | None, other: UsageRow) -> UsageRow:
    if one is None:
        return other
    return UsageRow(
        one.group,
        one.usd + other.usd,
        one.input_tokens + other.input_tokens,
        one.output_tokens + other.output_tokens,
        one.calls + other.calls,
        one.effects + other.effects,
        one.seconds + other.seconds,
    )

"""Budgets: how much may be spent, by whom and in which time, and what the books say about it.

Amounts are whole numbers so that sums are exact: billionths of a dollar, tokens, milliseconds, effects. People read and
write dollars, tokens, seconds and effects; `UNITS` is between the two.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from ripieno.domain.errors import Invalid, Problem
from ripieno.domain.jsons import JsonObject


class Measure(StrEnum):
    """What is counted. `SECONDS` are working time; an effect is a tool call that may change the world."""

    USD = "usd"
    TOKENS = "tokens"
    SECONDS = "seconds"
    EFFECTS = "effects"


MEASURES = tuple(Measure)
UNITS = {Measure.USD: 10**9, Measure.TOKENS: 1, Measure.SECONDS: 1000, Measure.EFFECTS: 1}

MOST = 1_000_000_000
"""No limit is larger, in dollars, tokens, seconds or effects: sums of them stay within 64 bits."""


class Window(StrEnum):
    """For how long a budget lasts: for ever, or until the day or month (UTC) is over and it begins anew."""

    TOTAL = "total"
    DAY = "day"
    MONTH = "month"


class OnExceeded(StrEnum):
    """What happens to a run that asks for more than is left: it fails, or a person is asked for more."""

    STOP = "stop"
    ASK = "ask"


@dataclass(frozen=True, slots=True)
class Amount:
    """Some of each measure, in whole units."""

    usd: int = 0
    tokens: int = 0
    seconds: int = 0
    effects: int = 0

    def of(self, measure: Measure) -> int:
        """How much of one measure."""
        return getattr(self, measure)

    def __add__(self, other: "Amount") -> "Amount":
        return self.with_each(lambda measure: self.of(measure) + other.of(measure))

    def __sub__(self, other: "Amount") -> "Amount":
        return self.with_each(lambda measure: self.of(measure) - other.of(measure))

    def at_most(self, other: "Amount") -> "Amount":
        """The smaller of both, measure by measure."""
        return self.with_each(lambda measure: min(self.of(measure), other.of(measure)))

    @staticmethod
    def with_each(count: Callable[[Measure], int]) -> "Amount":
        """What a function says of each measure."""
        return Amount(*(count(measure) for measure in MEASURES))

    @staticmethod
    def used(usd: float = 0.0, tokens: int = 0, seconds: float = 0.0, effects: int = 0) -> "Amount":
        """From dollars, tokens, seconds and effects; fractions of a unit count as a whole one."""
        given = {Measure.USD: usd, Measure.TOKENS: tokens, Measure.SECONDS: seconds, Measure.EFFECTS: effects}
        return Amount.with_each(lambda measure: units(measure, given[measure]))

    def shown(self) -> JsonObject:
        """In dollars, tokens, seconds and effects."""
        return {measure.value: shown(measure, self.of(measure)) for measure in MEASURES}


NOTHING = Amount()


@dataclass(frozen=True, slots=True)
class Caps:
    """The most there may be of each measure, in whole units; None where any amount may be."""

    usd: int | None = None
    tokens: int | None = None
    seconds: int | None = None
    effects: int | None = None

    def of(self, measure: Measure) -> int | None:
        """The most of one measure."""
        return getattr(self, measure)

    @property
    def measures(self) -> tuple[Measure, ...]:
        """Those that are limited."""
        return tuple(measure for measure in MEASURES if self.of(measure) is not None)

    @staticmethod
    def given(limits: Mapping[str, float | None]) -> "Caps":
        """From dollars, tokens, seconds and effects by name. Other names are passed over."""
        found = (limits.get(measure) for measure in MEASURES)
        pairs = zip(MEASURES, found, strict=True)
        return Caps(*(None if limit is None else units(measure, limit) for measure, limit in pairs))

    def __add__(self, more: Amount) -> "Caps":
        limits = ((self.of(measure), more.of(measure)) for measure in MEASURES)
        return Caps(*(None if limit is None else limit + added for limit, added in limits))

    def shown(self) -> JsonObject:
        """The limits that there are, in dollars, tokens, seconds and effects."""
        return {measure.value: shown(measure, self.of(measure) or 0) for measure in self.measures}


def units(measure: Measure, value: float) -> int:
    """Whole units of a measure, rounded up; what binary fractions add beyond a tenth of a unit is forgiven."""
    return math.ceil(round(value * UNITS[measure], 1))


def shown(measure: Measure, amount: int) -> float:
    """An amount as people say it."""
    unit = UNITS[measure]
    return amount if unit == 1 else amount / unit


SCOPES = ("tenant", "agent", "user", "session", "run")
"""Whose spending a budget counts. All but `tenant` have a name behind a colon: `agent:teller`."""


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit on what a scope spends in a window.

    `warn_at` is the share of the limit from which it is called nearly spent. `kept` says that it is a row of the
    store; otherwise it comes with a run or from the settings.
    """

    tenant: str
    scope: str
    window: Window
    caps: Caps
    on_exceeded: OnExceeded = OnExceeded.STOP
    warn_at: float = 0.8
    kept: bool = False
    set_by: str = ""
    set_at: datetime | None = None


def check_scope(scope: str) -> None:
    """Refuse a scope that a budget cannot be put on.

    Raises:
        Invalid: It is none, or that of a run, whose budget comes with its request.
    """
    kind, _, name = scope.partition(":")
    if (scope == "tenant" or (kind in {"agent", "user", "session"} and name)) and len(scope) <= 250:  # noqa: PLR2004
        return
    detail = f"{scope!r} is no scope: give tenant, agent:NAME, user:ID or session:ID"
    raise Invalid(detail, [Problem("/scope", detail)])


@dataclass(frozen=True, slots=True)
class RunBudget:
    """What a run and all runs below it may spend together. It is handed down to each of them."""

    run_id: str
    agent: str
    usd: float | None = None
    tokens: int | None = None
    effects: int | None = None
    on_exceeded: OnExceeded = OnExceeded.STOP

    @staticmethod
    def pinned(run_id: str, agent: str, limits: JsonObject) -> "RunBudget":
        """From the limits in a run's first entry."""
        usd, tokens, effects = (limits.get(name) for name in ("usd", "tokens", "effects"))
        return RunBudget(run_id, agent, usd, tokens, effects, OnExceeded(limits.get("on_exceeded", OnExceeded.STOP)))

    @property
    def limits_something(self) -> bool:
        """Whether there is a limit at all."""
        return self.usd is not None or self.tokens is not None or self.effects is not None

    def budget(self, tenant: str) -> Budget:
        """As any other budget."""
        caps = Caps.given({"usd": self.usd, "tokens": self.tokens, "effects": self.effects})
        return Budget(tenant, f"run:{self.run_id}", Window.TOTAL, caps, self.on_exceeded)


@dataclass(frozen=True, slots=True)
class Reservation:
    """What one act of a run was allowed to use of one budget before it began: `amount`, out of the chunk `chunk_id`."""

    run_id: str
    key: str
    scope: str
    window: Window
    since: datetime
    chunk_id: str
    amount: Amount


@dataclass(frozen=True, slots=True)
class Settlement:
    """What the act under `key` really used. It closes every reservation of the run under that key."""

    key: str
    amount: Amount


@dataclass(frozen=True, slots=True)
class Wish:
    """What a worker wants out of a budget: `need`, or what there is if that is `least` at least.

    `done` are its chunks of that budget in which nothing is under way: they are given back first.
    """

    budget: Budget
    chunk_id: str
    need: Amount
    least: Amount
    done: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a budget that one worker may hand out; for a window that ends, until `until`.

    `warned` says that with it the budget passed its share for the first time.
    """

    id: str
    budget: Budget
    since: datetime
    until: datetime | None
    granted: Amount
    spent: Amount
    warned: bool = False


@dataclass(frozen=True, slots=True)
class Shortage:
    """Why there is nothing to have: of this measure too little is left.

    `spent` is settled, `leased` is out with workers and may in part come back. All in whole units.
    """

    budget: Budget
    since: datetime
    measure: Measure
    limit: int
    spent: int
    leased: int
    needed: int

    @property
    def hopeless(self) -> bool:
        """Whether it would not be enough even if all that is out came back unused."""
        return self.limit - self.spent < self.needed


@dataclass(frozen=True, slots=True)
class Raise:
    """More for one window of a budget, as somebody allowed. The same `id` raises once."""

    id: str
    budget: Budget
    since: datetime
    measure: Measure
    amount: int
    by: str
    run_id: str


@dataclass(frozen=True, slots=True)
class BudgetState:
    """How a budget stands in its present window. `reserved` is what acts under way may yet use.

    `leased` is what workers hold, of which the spent and reserved parts are counted in `spent` and `reserved` too.
    """

    budget: Budget
    since: datetime
    raised: Amount = NOTHING
    spent: Amount = NOTHING
    reserved: Amount = NOTHING
    leased: Amount = NOTHING
    warned: bool = False


class UsageGroup(StrEnum):
    """By what usage can be summed up. By model only model calls count."""

    AGENT = "agent"
    MODEL = "model"
    SESSION = "session"
    USER = "user"
    TENANT = "tenant"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class UsageRow:
    """What was used by one group of runs, counted from the journals."""

    group: str
    usd: float
    input_tokens: int
    output_tokens: int
    calls: int
    effects: int
    seconds: float


BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


def window_of(window: Window, now: datetime) -> tuple[datetime, datetime | None]:
    """When the present window began, and when it ends."""
    day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if window is Window.DAY:
        return day, day + timedelta(days=1)
    if window is Window.MONTH:
        first = day.replace(day=1)
        return first, (first + timedelta(days=32)).replace(day=1)
    return BEGINNING, None


@dataclass(frozen=True, slots=True)
class Account:
    """The sums of a budget in one window: what was settled, what workers hold, what was allowed on top."""

    spent: Amount = NOTHING
    leased: Amount = NOTHING
    raised: Amount = NOTHING


SHARE = 4
"""A worker is given what it needs and a quarter of the rest: so chunks shrink as a budget nears its end."""


def granted(caps: Caps, account: Account, need: Amount, least: Amount) -> Amount | Measure:
    """What a worker may have, or the measure of which there is too little even for `least`."""
    shares: dict[Measure, int] = {}
    for measure in caps.measures:
        free = left(caps, account, measure)
        if least.of(measure) > max(0, free):
            return measure
        wanted = min(need.of(measure), max(0, free))
        shares[measure] = wanted + max(0, free - wanted) // SHARE
    return Amount.with_each(lambda measure: shares.get(measure, 0))


def left(caps: Caps, account: Account, measure: Measure) -> int:
    """What nobody has spent or holds of a limited measure. Below zero where a limit was lowered."""
    return limit(caps, account, measure) - account.spent.of(measure) - account.leased.of(measure)


def limit(caps: Caps, account: Account, measure: Measure) -> int:
    """The limit with what was allowed on top; 0 where there is none."""
    return (caps.of(measure) or 0) + account.raised.of(measure)


def nearly_spent(budget: Budget, account: Account) -> bool:
    """Whether the share from which to warn is reached in any measure."""
    return any(
        account.spent.of(measure) >= budget.warn_at * limit(budget.caps, account, measure) > 0
        for measure in budget.caps.measures
    )

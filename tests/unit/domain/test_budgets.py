"""Budgets: exact amounts, windows, what a worker may have."""

from datetime import UTC, datetime

import pytest

from ripieno.domain.budgets import (
    NOTHING,
    Account,
    Amount,
    Budget,
    Caps,
    Measure,
    OnExceeded,
    RunBudget,
    Shortage,
    Window,
    check_scope,
    granted,
    left,
    nearly_spent,
    window_of,
)
from ripieno.domain.errors import Invalid

NOON = datetime(2026, 12, 31, 12, tzinfo=UTC)


def test_amounts_are_exact():
    used = Amount.used(usd=0.1, tokens=3, seconds=0.0005, effects=1)
    assert used == Amount(100_000_000, 3, 1, 1)
    assert sum([used] * 10, NOTHING) == Amount(10**9, 30, 10, 10)
    assert Amount.used(usd=0.1 + 0.2).usd == 300_000_000, "no fraction that only binary numbers have"
    assert Amount.used(usd=1e-10).usd == 1, "the smallest part is not nothing"
    assert (used - used, used.at_most(Amount(tokens=2))) == (NOTHING, Amount(tokens=2))
    assert used.shown() == {"usd": 0.1, "tokens": 3, "seconds": 0.001, "effects": 1}


def test_caps_name_what_they_limit():
    caps = Caps.given({"usd": 1.5, "tokens": None, "effects": 0, "max_turns": 3})
    assert caps == Caps(usd=1_500_000_000, effects=0)
    assert caps.measures == (Measure.USD, Measure.EFFECTS)
    assert caps.shown() == {"usd": 1.5, "effects": 0}


def test_windows_are_of_utc():
    assert window_of(Window.DAY, NOON) == (datetime(2026, 12, 31, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    assert window_of(Window.MONTH, NOON) == (datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    assert window_of(Window.TOTAL, NOON) == (datetime(1970, 1, 1, tzinfo=UTC), None)


@pytest.mark.parametrize("scope", ["tenant", "agent:teller", "user:alice@example.org", "session:ses_1"])
def test_scopes(scope: str):
    check_scope(scope)


@pytest.mark.parametrize("scope", ["", "tenant:a", "agent", "agent:", "run:run_1", "team:x", "user:" + "x" * 250])
def test_what_is_no_scope(scope: str):
    with pytest.raises(Invalid, match="is no scope") as refused:
        check_scope(scope)
    assert refused.value.problems[0].pointer == "/scope"


def test_the_budget_of_a_run_is_one_like_any_other():
    given = RunBudget("run_1", "clerk", usd=0.5, effects=2, on_exceeded=OnExceeded.ASK)
    caps = Caps(usd=500_000_000, effects=2)
    assert given.budget("acme") == Budget("acme", "run:run_1", Window.TOTAL, caps, OnExceeded.ASK)


def test_granted_is_the_need_and_a_quarter_of_the_rest():
    caps, account = Caps(tokens=100), Account(spent=Amount(tokens=20), leased=Amount(tokens=20))
    assert granted(caps, account, Amount(tokens=20), Amount(tokens=20)) == Amount(tokens=30)
    assert granted(caps, account, Amount(tokens=60), Amount(tokens=60)) == Amount(tokens=60)
    assert granted(caps, account, Amount(tokens=61), Amount(tokens=61)) is Measure.TOKENS
    assert granted(caps, account, Amount(tokens=61), Amount(tokens=5)) == Amount(tokens=60)
    assert granted(caps, account, Amount(usd=5), Amount(usd=5)) == Amount(tokens=15), "no limit on dollars"


def test_a_limit_lowered_below_what_is_spent_forbids_only_what_it_limits():
    caps, account = Caps(tokens=10, effects=5), Account(spent=Amount(tokens=20))
    assert left(caps, account, Measure.TOKENS) == -10
    assert granted(caps, account, Amount(effects=1), Amount(effects=1)) == Amount(effects=2)
    assert granted(caps, account, Amount(tokens=1), Amount(tokens=1)) is Measure.TOKENS


def test_nearly_spent():
    budget = Budget("acme", "tenant", Window.DAY, Caps(usd=100, effects=0), warn_at=0.8)
    assert not nearly_spent(budget, Account(spent=Amount(usd=79)))
    assert nearly_spent(budget, Account(spent=Amount(usd=80)))
    assert not nearly_spent(budget, Account(spent=Amount(usd=80), raised=Amount(usd=10)))


@pytest.mark.parametrize(("spent", "hopeless"), [(3, False), (4, True)])
def test_hopeless_is_what_no_return_would_mend(spent: int, hopeless: bool):
    budget = Budget("acme", "tenant", Window.DAY, Caps(tokens=10))
    assert Shortage(budget, NOON, Measure.TOKENS, 10, spent, 6, 7).hopeless is hopeless

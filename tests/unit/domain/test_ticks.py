"""When schedules tick: calendars, daylight saving, missed ticks, jitter. Times are spelt out, nothing waits."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ripieno.domain import ids, ticks
from ripieno.domain.runs import RunKind
from ripieno.domain.schedule_changes import due_next, fresh
from ripieno.domain.schedules import NewSchedule, Overlap, Schedule, ScheduleSpec, Target, TickOutcome
from ripieno.domain.ticks import MOST_WAITING, due, fires_at, outcome, run_of, said, upcoming

START = datetime(2026, 1, 1, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def spec(**fields: Any) -> ScheduleSpec:
    return ScheduleSpec.model_validate(fields)


def schedule(at: datetime = START, **fields: Any) -> Schedule:
    return fresh(NewSchedule(ids.named("sch", "x"), "acme", "x", "clerk", spec(**fields), "alice"), at)


def local(year: int, month: int, day: int, hour: int, minute: int, *, fold: int = 0) -> datetime:
    """A moment in Berlin; in UTC, because Python never finds the moments of a doubled hour equal to others."""
    return datetime(year, month, day, hour, minute, tzinfo=BERLIN, fold=fold).astimezone(UTC)


def moments(cron: str, after: datetime, count: int, timezone: str = "Europe/Berlin") -> list[datetime]:
    return upcoming(spec(cron=cron, timezone=timezone), START, after, count)


# -- calendars -------------------------------------------------------------------------------------------------------


def test_a_fixed_time_that_the_clocks_jump_over_runs_right_after_the_gap_and_once():
    found = moments("30 2 * * *", local(2026, 3, 28, 12, 0), 3)
    assert found == [local(2026, 3, 29, 3, 0), local(2026, 3, 30, 2, 30), local(2026, 3, 31, 2, 30)]
    assert moments("30 2 * * *", found[0], 1) == [found[1]]


def test_a_fixed_time_that_comes_twice_runs_once_also_when_asked_between_the_two():
    first, second = moments("30 2 * * *", local(2026, 10, 24, 12, 0), 2)
    assert (first, second) == (local(2026, 10, 25, 2, 30), local(2026, 10, 26, 2, 30))
    assert moments("30 2 * * *", local(2026, 10, 25, 2, 15, fold=1), 1) == [second]
    assert moments("30 2 * * *", first, 1) == [second]


def test_what_runs_each_half_hour_follows_real_time_through_both_changes():
    for night in (local(2026, 3, 29, 0, 45), local(2026, 10, 25, 0, 45)):
        found = moments("*/30 * * * *", night, 8)
        assert {after - before for before, after in itertools.pairwise(found)} == {timedelta(minutes=30)}


def test_leap_days_and_short_names():
    assert moments("0 0 29 2 *", START, 2, "UTC") == [datetime(year, 2, 29, tzinfo=UTC) for year in (2028, 2032)]
    assert moments("@daily", START, 1, "UTC") == [datetime(2026, 1, 2, tzinfo=UTC)]
    assert moments("*/20 * * * * *", START, 2, "UTC") == [START + timedelta(seconds=20), START + timedelta(seconds=40)]


def test_intervals_count_from_their_anchor():
    every = spec(every=90)
    assert upcoming(every, START, START, 2) == [START + timedelta(seconds=90), START + timedelta(seconds=180)]
    assert upcoming(every, START, START - timedelta(days=1), 1) == [START + timedelta(seconds=90)]
    assert upcoming(every, START, START + timedelta(seconds=90), 1) == [START + timedelta(seconds=180)]


@given(
    st.sampled_from(["30 2 * * *", "15 */2 * * *", "*/7 * * * *", "0 3 * * 0", "0 0 L * *"]),
    st.integers(0, 220 * 86400),
)
@settings(max_examples=150, deadline=None)
def test_ticks_rise_and_do_not_depend_on_where_one_begins(cron: str, seconds: int):
    after = datetime(2026, 3, 27, tzinfo=UTC) + timedelta(seconds=seconds)
    found = moments(cron, after, 4)
    assert found == sorted(set(found))
    assert found[0] > after
    assert moments(cron, found[0], 3) == found[1:]


@pytest.mark.parametrize(
    ("fields", "where", "why"),
    [
        ({"cron": "0 0 31 2 *"}, ("cron",), "come true"),
        ({"cron": "nonsense"}, ("cron",), "come true"),
        ({"cron": "0 25 * * *"}, ("cron",), "bad hour"),
        ({"cron": "0 0 * * *", "timezone": "Mars/Olympus"}, ("timezone",), "Europe/Berlin"),
        ({"cron": "0 0 * * *", "timezone": "../../etc/passwd"}, ("timezone",), "no time zone"),
        ({"every": 0}, ("every",), "greater than or equal to 1"),
        ({"every": -5}, ("every",), "greater than or equal to 1"),
        ({"every": 60, "cron": "0 0 * * *"}, (), "either cron or every"),
        ({}, (), "either cron or every"),
        ({"every": 60, "jitter": 60}, (), "shorter than every"),
        ({"every": 60, "overlap": "maybe"}, ("overlap",), "skip"),
        ({"every": 60, "input": 7}, ("input",), "a text or an object"),
        ({"every": 60, "timezon": "UTC"}, ("timezon",), "did you mean timezone"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused_at_its_place(fields: Any, where: tuple[str, ...], why: str):
    with pytest.raises(ValidationError) as caught:
        spec(**fields)
    (error,) = caught.value.errors()
    assert error["loc"] == where
    assert why in error["msg"]


def test_an_expression_that_no_day_fits_is_refused():
    with pytest.raises(ValidationError, match="never comes true"):
        spec(cron="0 0 */31 2 5L")  # the first of February as its last Friday


def test_older_files_are_understood():
    older = spec(type="interval", interval_seconds=3600, task_data={"prompt": "count"})
    assert (older.every, older.input) == (3600, {"prompt": "count"})
    assert spec(cron=None, every=60) == spec(every=60)
    with pytest.raises(ValidationError, match="valid dictionary"):
        ScheduleSpec.model_validate("0 0 * * *")


# -- what is due -----------------------------------------------------------------------------------------------------


def minutes(*values: int) -> tuple[datetime, ...]:
    return tuple(START + timedelta(minutes=value) for value in values)


def test_nothing_is_due_before_its_time_and_one_tick_when_it_has_come():
    minutely = schedule(every=60)
    assert due(minutely, START + timedelta(seconds=59)).run == ()
    found = due(minutely, START + timedelta(seconds=61))
    assert (found.run, found.missed, found.next) == (minutes(1), None, minutes(2)[0])


@pytest.mark.parametrize(
    ("policy", "run", "missed"),
    [
        ({"catch_up": "none"}, (), (10, 60)),
        ({"catch_up": "latest"}, (60,), (10, 50)),
        ({"catch_up": "all"}, (10, 20, 30, 40, 50, 60), None),
        ({"catch_up": "all", "catch_up_window": 1800}, (40, 50, 60), (10, 30)),
        ({"catch_up": "latest", "catch_up_window": 120}, (), (10, 60)),
    ],
)
def test_ticks_that_passed_while_nobody_was_there(policy: Any, run: tuple[int, ...], missed: tuple[int, int] | None):
    asleep = schedule(every=600, **policy)
    found = due(asleep, START + timedelta(minutes=65))
    assert found.run == minutes(*run)
    assert found.missed == (missed and minutes(*missed))
    assert found.next == minutes(70)[0]


def test_a_late_tick_gives_way_to_one_that_is_on_time():
    found = due(schedule(every=600, catch_up="latest"), START + timedelta(minutes=60, seconds=30))
    assert (found.run, found.missed) == (minutes(60), minutes(10, 50))


def test_ticks_that_are_a_few_seconds_late_are_not_missed():
    found = due(schedule(every=1, catch_up="none"), START + timedelta(seconds=5))
    assert len(found.run) == 5
    assert found.missed is None


def test_after_years_only_as_many_are_done_as_fit_and_the_rest_follows():
    long_ago = schedule(every=60, catch_up="all", catch_up_window=86400)
    now = START + timedelta(days=900)
    found = due(long_ago, now)
    assert len(found.run) == ticks.AT_ONCE
    assert found.run[0] == now - timedelta(days=1)
    assert found.next == found.run[-1] + timedelta(minutes=1)
    rest = due(due_next(long_ago, found.next), now)
    assert rest.run[0] == found.next
    assert rest.missed is None


def test_the_newest_of_many_missed_ticks_is_found_however_rare_they_are():
    for cron in ("*/5 * * * *", "0 */6 * * *", "0 0 * * 1", "0 0 1 * *"):
        asleep = schedule(cron=cron, catch_up="latest", catch_up_window=31 * 86400)
        now = datetime(2026, 6, 30, 23, 31, 30, tzinfo=UTC)
        last = max(tick for tick in upcoming(asleep.spec, START, now - timedelta(days=31), 10_000) if tick <= now)
        assert due(asleep, now).run == (last,)


def test_of_rare_ticks_that_were_missed_the_first_and_the_last_are_told():
    yearly = schedule(cron="0 0 1 7 *")
    missed = due(yearly, datetime(2031, 1, 1, tzinfo=UTC)).missed
    assert missed == (datetime(2026, 7, 1, tzinfo=UTC), datetime(2030, 7, 1, tzinfo=UTC))


def test_a_schedule_without_a_next_tick_rests():
    resting = replace(schedule(every=60), next_tick=None, next_at=None)
    assert due(resting, START + timedelta(days=9)) == ticks.Due((), None, None)


def test_jitter_delays_a_tick_by_the_same_time_for_everybody():
    jittery = schedule(every=600, jitter=300)
    delays = [fires_at(jittery.id, jittery.spec, tick) - tick for tick in minutes(10, 20, 30, 40)]
    assert len(set(delays)) == 4
    assert all(timedelta() <= delay < timedelta(seconds=300) for delay in delays)
    assert jittery.next_at == minutes(10)[0] + delays[0]
    assert due(jittery, minutes(10)[0] + delays[0] - timedelta(seconds=1)).run == ()
    assert due(jittery, minutes(10)[0] + delays[0]).run == minutes(10)


# -- what becomes of a tick ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overlap", "active", "waiting", "wanted"),
    [
        (Overlap.SKIP, 0, 0, TickOutcome.STARTED),
        (Overlap.SKIP, 1, 0, TickOutcome.SKIPPED),
        (Overlap.QUEUE, 0, 0, TickOutcome.STARTED),
        (Overlap.QUEUE, 1, 0, TickOutcome.WAITING),
        (Overlap.QUEUE, 0, 1, TickOutcome.WAITING),
        (Overlap.QUEUE, 1, MOST_WAITING, TickOutcome.SKIPPED),
        (Overlap.ALLOW, 3, 0, TickOutcome.STARTED),
        (Overlap.CANCEL_PREVIOUS, 3, 0, TickOutcome.STARTED),
    ],
)
def test_overlap(overlap: Overlap, active: int, waiting: int, wanted: TickOutcome):
    found, reason = outcome(overlap, active, waiting)
    assert found is wanted
    assert bool(reason) is (wanted is not TickOutcome.STARTED)


def test_what_is_said_of_missed_ticks():
    assert said(START, START) == "it was too late to run it"
    assert said(START, minutes(1)[0]) == "so were all until 2026-01-01T00:01:00+00:00"


@pytest.mark.parametrize(
    ("given_input", "goal", "data"),
    [
        ("Count.", "Count.", None),
        ({"prompt": " Count. ", "n": 3}, "Count.", {"n": 3}),
        ({"n": 3}, "It is time for your scheduled work. Counts things.", {"n": 3}),
        (None, "It is time for your scheduled work. Counts things.", None),
        ("  ", "It is time for your scheduled work. Counts things.", None),
    ],
)
def test_what_a_run_of_a_schedule_is_asked(given_input: Any, goal: str, data: Any):
    asked = run_of(schedule(every=60, input=given_input), Target("clerk", "v1", RunKind.AGENT, "Counts things."), START)
    assert (asked.input.goal, asked.input.data) == (goal, data)
    assert asked.input.context["schedule"]["tick"] == "2026-01-01T00:00:00+00:00"


def test_one_tick_has_one_run_whose_id_begins_with_the_ticks_time():
    target = Target("clerk", "v1", RunKind.AGENT)
    here, there = (
        run_of(schedule(every=60), target, START),
        run_of(schedule(every=60), target, START.astimezone(BERLIN)),
    )
    assert here.id == there.id
    assert ids.milliseconds(here.id) == int(START.timestamp() * 1000)
    assert run_of(schedule(every=60), target, minutes(1)[0]).id != here.id
    assert run_of(schedule(every=60), target, minutes(1)[0], here.id).id == here.id

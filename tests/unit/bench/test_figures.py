"""How benches make figures out of what they measured."""

import pytest

from bench.burst import Load, Round
from bench.burst import report as burst_report
from bench.fairness import jain, while_all_waited
from bench.goals import entries, look_up, parts
from bench.longrun import STEPS, growth
from bench.programs import Measured
from bench.report import Aim, Table, shown
from bench.sizes import Size
from bench.spread import spread
from bench.steps import ratio, summary
from bench.takeover import report as takeover_report


def measured(*, seconds: float = 1.0, gaps: list[float] | None = None, cpu: list[float] | None = None) -> Measured:
    return Measured(100, 130, seconds, 0.5, gaps or [1.0], cpu or [1.0])


def test_a_goal_tells_how_long_a_run_is_and_how_long_everything_takes():
    assert parts(look_up(10)) == (5, 0.0, 0.0)
    assert parts(look_up(5, think_ms=100, work_ms=2.5)) == (2, 100.0, 2.5)
    assert entries(10) == 13
    assert entries(5) == 7


def test_quantiles_are_values_that_were_measured():
    assert spread([float(value) for value in range(100)]) == spread([99.0, *map(float, range(99))])
    assert spread([3.0, 1.0, 2.0]).p50 == 2.0
    assert spread([1.0]).p99 == 1.0


@pytest.mark.parametrize(("shares", "index"), [((5, 5, 5, 5), 1.0), ((8, 0, 0, 0), 0.25), ((0, 0), 1.0)])
def test_fairness_is_one_when_all_got_the_same(shares: tuple[int, ...], index: float):
    assert jain(shares) == index


def test_fairness_looks_no_further_than_to_the_first_empty_queue():
    assert dict(while_all_waited(["a", "b", "a", "b", "a", "a", "a"])) == {"a": 2, "b": 2}
    assert dict(while_all_waited(["a", "a", "a", "b"])) == {"a": 3, "b": 0}


def test_a_system_is_summed_up_by_the_medians_of_its_rounds():
    rounds = [measured(seconds=seconds, gaps=[seconds * 10]) for seconds in (1.0, 2.0, 4.0)]
    one = summary(rounds)
    assert (one.steps_per_second, one.p50, one.p95, one.cpu_ms) == (50.0, 20.0, 20.0, 5.0)


def test_ratios_compare_within_a_round():
    rounds = [{"ripieno": measured(seconds=mine), "other": measured(seconds=its)} for mine, its in ((1, 8), (2, 4))]
    assert ratio(rounds, "other") == 5.0


def test_a_late_step_is_compared_with_an_early_one():
    cpu = [1.0] * (STEPS - 50) + [1.5] * 50
    assert growth(measured(gaps=[2.0] * STEPS, cpu=cpu)).factor == 1.5


def test_two_workers_are_compared_turn_by_turn_and_the_least_fair_round_counts():
    load = Load("some", 100, 0, 10)
    found = {load: {1: [Round(4.0, 0.99), Round(9.0, 0.98)], 2: [Round(2.0, 0.97), Round(3.0, 1.0)]}}
    speed, fairness = burst_report(found).aims
    assert (speed.value, speed.reached) == (2.5, True)
    assert fairness.value == 0.97


def test_the_worst_run_of_a_takeover_counts():
    (aim,) = takeover_report([[9000.0, 9100.0], [9000.0, 12_500.0]]).aims
    assert (aim.value, aim.reached) == (12.5, False)


def test_aims_are_bounds_from_below_or_above():
    assert Aim("speed", 3000, 3000, "steps/s").reached
    assert not Aim("time", 60.1, 60, "ms", at_most=True).reached


def test_tables_put_numbers_to_the_right_and_words_to_the_left():
    lines = Table(("name", "many"), [["a", 1], ["longer", 23456]]).lines()
    assert lines == ["name      many", "a            1", "longer  23,456"]
    assert [shown(cell) for cell in (None, 0.1234, 12.34, "word")] == ["-", "0.123", "12.3", "word"]


def test_sizes_choose():
    assert [size.of(1, 2, 3) for size in Size] == [1, 2, 3]

"""The rules of a circuit breaker."""

from datetime import UTC, datetime, timedelta

from ripieno.domain.breakers import Breaker, BreakerRules, Standing

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RULES = BreakerRules(failures=3, first_rest=timedelta(seconds=10), longest_rest=timedelta(seconds=25))


def failed(times: int, at: datetime = NOW) -> Breaker:
    breaker = Breaker("model:x")
    for _ in range(times):
        breaker = breaker.after_failure(at, RULES)
    return breaker


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_some_failures_in_a_row_change_nothing_and_too_many_open_it():
    assert failed(2).standing(NOW) is Standing.CLOSED
    assert failed(2).wait(NOW) == 0
    assert failed(3).standing(NOW) is Standing.OPEN
    assert failed(3).wait(later(4)) == 6


def test_a_success_between_begins_the_count_anew():
    assert failed(2).after_success() == Breaker("model:x")


def test_after_its_rest_one_may_try():
    half = failed(3)
    assert not half.may_probe(later(9))
    assert half.standing(later(10)) is Standing.HALF_OPEN
    assert half.may_probe(later(10))
    probing = half.probing(later(10), RULES)
    assert not probing.may_probe(later(11))
    assert probing.wait(later(11)) == 119
    assert probing.may_probe(later(130)), "a probe that never tells does not block for ever"


def test_a_failed_probe_opens_it_for_longer_up_to_a_limit():
    breaker, at, rests = failed(3), NOW, list[float]()
    for _ in range(3):
        rests.append(breaker.wait(at))
        at += timedelta(seconds=rests[-1])
        breaker = breaker.probing(at, RULES).after_failure(at, RULES)
    assert rests == [10, 20, 25]
    assert breaker.after_success().standing(at) is Standing.CLOSED


def test_what_fails_while_it_is_open_does_not_lengthen_the_rest():
    late = failed(3).after_failure(later(5), RULES)
    assert (late.failures, late.rests_until, late.openings) == (4, later(10), 1)

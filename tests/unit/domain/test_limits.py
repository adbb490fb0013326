"""The sliding window: what counts, and for how long."""

from hypothesis import given
from hypothesis import strategies as st

from ripieno.domain.limits import Rate, Window

RATE = Rate(10, 60)


def test_the_window_before_counts_by_what_is_left_of_it():
    window = Window(previous=10, previous_left=30, current=4, current_left=30)
    assert window.used(RATE) == 9
    assert window.wait(RATE, 1) is None
    wait = window.wait(RATE, 3)
    assert wait is not None
    assert 5.9 < wait < 6.1


def test_a_full_window_must_first_become_the_one_before():
    wait = Window(current=10, current_left=20).wait(RATE, 1)
    assert wait is not None
    assert 20 < wait < 21
    assert Window().wait(RATE, 1_000) is None
    assert Window(current=1, current_left=60).wait(RATE, 1_000) is not None


counts = st.integers(0, 30)
lefts = st.floats(0, 60)


@given(previous=counts, left=lefts, current=counts, cost=st.integers(1, 20))
def test_when_the_wait_is_over_there_is_room_and_not_much_earlier(previous: int, left: float, current: int, cost: int):
    window = Window(previous, left, current, left)
    wait = window.wait(RATE, cost)
    if wait is not None:
        assert later(window, wait).wait(RATE, cost) is None
        assert wait < 0.1 or later(window, wait - 0.1).wait(RATE, cost) is not None


def later(window: Window, seconds: float) -> Window:
    if seconds < window.current_left:
        left = window.current_left - seconds
        return Window(window.previous, left, window.current, left)
    left = max(0.0, 60 - (seconds - window.current_left))
    return Window(window.current, left, 0, left)

"""Ids sort by time, and derived ones are always the same."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from ripieno.clock import SystemClock
from ripieno.domain import ids

MILLISECONDS = st.integers(min_value=0, max_value=(1 << 48) - 1)
ENTROPY = st.binary(min_size=10, max_size=10)


@given(MILLISECONDS, ENTROPY)
def test_an_id_is_a_uuid_of_version_7_that_keeps_its_time(at_ms: int, entropy: bytes):
    made = ids.compose("run", at_ms, entropy)
    inside = uuid.UUID(made.removeprefix("run_"))
    assert (inside.version, inside.variant) == (7, uuid.RFC_4122)
    assert ids.milliseconds(made) == at_ms


@given(MILLISECONDS, MILLISECONDS, ENTROPY, ENTROPY)
def test_ids_sort_by_time(earlier: int, later: int, one: bytes, two: bytes):
    if earlier < later:
        assert ids.compose("run", earlier, one) < ids.compose("run", later, two)


@given(MILLISECONDS, ENTROPY, st.text(), st.text())
def test_a_derived_id_belongs_to_one_parent_and_key(at_ms: int, entropy: bytes, key: str, other: str):
    parent = ids.compose("run", at_ms, entropy)
    child = ids.derive("run", parent, key)
    assert child == ids.derive("run", parent, key)
    assert ids.milliseconds(child) == at_ms
    assert (child == ids.derive("run", parent, other)) == (key == other)


def test_attempts_of_a_call_share_one_idempotency_key_and_other_calls_do_not():
    key = ids.idempotency_key("run_1", "g1/turn/1/call/0")
    assert key == ids.idempotency_key("run_1", "g1/turn/1/call/0")
    assert (
        len({key, ids.idempotency_key("run_2", "g1/turn/1/call/0"), ids.idempotency_key("run_1", "g2/turn/1/call/0")})
        == 3
    )


def test_the_clock_makes_ids_that_differ():
    clock = SystemClock()
    made = [clock.new_id("run") for _ in range(100)]
    assert len(set(made)) == 100
    assert abs(ids.milliseconds(made[0]) / 1000 - clock.now().timestamp()) < 60

"""Frames are what they were after the journey, and nothing else is a frame; an outbox is bounded."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ripieno.domain.hints import Hint, HintKind
from ripieno.integrations.brokers.frames import Bounds, Frame, Outbox, decode, encode

QUIET = st.sampled_from([kind for kind in HintKind if kind is not HintKind.DELTA])
HINTS = st.one_of(
    st.builds(Hint, QUIET, st.text()), st.builds(Hint, st.just(HintKind.DELTA), st.text(), st.text(min_size=1))
)


@given(st.text(), st.lists(HINTS))
def test_frame_comes_back_as_it_left(sender: str, hints: list[Hint]):
    frame = Frame(sender, tuple(hints))
    assert decode(encode(frame)) == frame


def test_frame_of_half_a_character_travels():
    frame = Frame("wrk_1", (Hint(HintKind.DELTA, "run_1", "\ud83d"),))
    assert decode(encode(frame)) == frame


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        b'{"from": 1, "hints": []}',
        b'{"from": "w", "hints": {}}',
        b"[" * 100_000,
    ],
    ids=lambda data: data[:20].decode(errors="replace"),
)
def test_garbage_is_no_frame(data: bytes):
    assert decode(data) is None


def test_hints_of_an_unknown_shape_are_left_out():
    rows = [
        ["work", "run_1"],
        ["nap", "run_1"],
        ["work"],
        ["work", 1],
        ["status", "run_1", "text"],
        7,
        ["delta", "r", 1],
    ]
    data = json.dumps({"from": "wrk_1", "hints": rows}).encode()
    assert decode(data) == Frame("wrk_1", (Hint(HintKind.WORK, "run_1"),))


def test_same_hint_leaves_once_and_deltas_of_a_run_are_joined():
    outbox = Outbox()
    work, status = Hint(HintKind.WORK, "run_1"), Hint(HintKind.STATUS, "run_1")
    assert (
        outbox.put([work, Hint(HintKind.DELTA, "run_1", "Hel"), status, work, Hint(HintKind.DELTA, "run_1", "lo")]) == 0
    )
    assert outbox.take() == [(work, Hint(HintKind.DELTA, "run_1", "Hello"), status)]
    assert (len(outbox), outbox.take()) == (0, [])


def test_outbox_drops_what_it_has_no_room_for():
    outbox = Outbox(Bounds(hints=2))
    hints = [Hint(HintKind.WORK, f"run_{number}") for number in (1, 2, 3, 1)]
    assert outbox.put(hints) == 1
    assert outbox.take() == [tuple(hints[:2])]
    assert outbox.put(hints[:2]) == 0


def test_outbox_drops_deltas_over_its_size_and_still_takes_other_hints():
    outbox = Outbox(Bounds(characters=5))
    hints = [Hint(HintKind.DELTA, "run_1", "four"), Hint(HintKind.DELTA, "run_2", "or"), Hint(HintKind.STATUS, "run_1")]
    assert outbox.put(hints) == 1
    assert outbox.take() == [(hints[0], hints[2])]
    assert outbox.put(hints[1:2]) == 0


def test_many_hints_leave_in_several_frames():
    outbox = Outbox(Bounds(frame=2))
    hints = [Hint(HintKind.PROGRESS, f"run_{number}") for number in range(5)]
    outbox.put(hints)
    assert outbox.take() == [tuple(hints[:2]), tuple(hints[2:4]), tuple(hints[4:])]

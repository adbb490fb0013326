import itertools
import json
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from ripieno.cli.events import Event, Frame, FrameReader, from_cloud

STREAM = (
    b": keep-alive\n\n"
    b'id: 1\nevent: run.started\ndata: {"a": "\xe2\x80\xa8 \xc3\xa4"}\n\n'
    b"event: token\r\ndata: one\r\ndata: two\r\n\r\n"
    b"data:plain\n\n"
    b"event: end\ndata: {}\n\n"
    b"data: cut off"
)
FRAMES = [
    Frame("run.started", '{"a": "\u2028 ä"}', "1"),
    Frame("token", "one\ntwo"),
    Frame("message", "plain"),
    Frame("end", "{}"),
]


def test_frames():
    assert FrameReader().feed(STREAM) == FRAMES
    assert FRAMES[0].json() == {"a": "\u2028 ä"}


@given(st.lists(st.integers(0, len(STREAM)), max_size=30))
def test_frames_wherever_the_network_cuts(cuts: list[int]):
    reader, places = FrameReader(), [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[start:end] for start, end in itertools.pairwise(places)]
    assert [frame for piece in pieces for frame in reader.feed(piece)] == FRAMES


def test_an_event_belongs_to_the_run_whose_journal_it_is_in():
    data = {"run_id": "run_parent", "child_run_id": "run_child", "agent": "planner"}
    cloud = {
        "id": "run_parent/7",
        "type": "child.started",
        "subject": "g1/child/plan",
        "time": "2026-01-01T12:00:00Z",
        "sequence": 7,
        "data": data,
    }
    event = from_cloud(json.loads(json.dumps(cloud)))
    at = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert event == Event("run_parent", 7, "child.started", "g1/child/plan", at, data)

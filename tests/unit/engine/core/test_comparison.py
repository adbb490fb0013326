"""Two journals side by side."""

from dataclasses import replace

from ripieno.domain.entries import Entry, EntryType
from ripieno.engine.core.comparison import Likeness, compare
from tests.unit.engine.core.journal_lines import Lines


def first() -> Lines:
    lines = Lines()
    lines.started("count")
    lines.replied(1, "three")
    return lines


def with_body(entry: Entry, **changes: object) -> Entry:
    return replace(entry, body={**entry.body, **changes})


def test_what_only_time_made_different_is_the_same():
    lines = first()
    other = [lines[0], with_body(lines[1], ms=99.0, fingerprint="other")]
    found = compare(lines, other)
    assert (found.diverges_at, found.count(Likeness.SAME)) == (None, 2)


def test_the_first_difference_is_where_they_part():
    lines, other = first(), Lines()
    other.started("count to four")
    other.replied(1, "four")
    other.replied(2, "five")
    found = compare(lines, other)
    assert [(pair.key, pair.likeness) for pair in found.pairs] == [
        ("start", Likeness.CHANGED),
        ("turn/1/model", Likeness.CHANGED),
        ("turn/2/model", Likeness.ONLY_IN_B),
    ]
    assert found.diverges_at == "start"
    assert found.pairs[1].a is not None
    assert found.pairs[1].a.summary == "three"
    back = compare(other, lines)
    assert back.pairs[-1].likeness is Likeness.ONLY_IN_A
    assert back.pairs[-1].b is None


def test_every_kind_of_entry_has_words():
    lines = Lines()
    lines.started()
    lines.replied(1, calls=["shop.pay"])
    lines.intended("g1/turn/1/call/0", "shop.pay")
    lines.opened("g1/turn/1/call/0/approval")
    lines.decided("g1/turn/1/call/0/approval", "approve")
    lines.returned("g1/turn/1/call/0", "shop.pay")
    lines.child_started("a")
    lines.child_ended("a")
    lines.child_started("b")
    lines.child_ended("b", "failed", {"code": "x", "detail": "y"})
    lines.put("g1/plan", EntryType.TEAM_PLANNED, {"plan": {"steps": []}})
    lines.ended()
    found = compare(lines, [])
    assert found.count(Likeness.ONLY_IN_A) == len(found.pairs) == len(lines)
    words = {pair.key: pair.a.summary for pair in found.pairs if pair.a}
    assert all(words.values())
    assert words["turn/1/model"] == "calls shop.pay"
    assert words["child/step/b/end"] == "failed"
    assert (words["end"], found.diverges_at) == ("it is 408", "start")


def test_lists_within_a_body_are_compared_too():
    lines = first()
    calls = [
        with_body(lines[1], reply={**lines[1].body["reply"], "tool_calls": [{"id": n, "name": "x"}]}) for n in "ab"
    ]
    assert compare([calls[0]], [calls[1]]).diverges_at is None

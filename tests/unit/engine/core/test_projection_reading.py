"""A journal is read as a conversation, as spans, as a log, and as usage."""

from ripieno.domain.entries import EntryType
from ripieno.domain.jsons import JsonObject
from ripieno.domain.usage import NOTHING_USED, Usage
from ripieno.engine.core.projection_reading import Used, log, messages, timeline, used
from tests.unit.engine.core.journal_lines import Lines, at

CALL = "g1/turn/1/call/0"


def story() -> Lines:
    lines = Lines()
    lines.started("count the files")
    lines.replied(1, "let me look", ["files.count"])
    lines.returned(CALL, "files.count", "error")
    lines.replied(2, "It is 408.")
    lines.ended()
    return lines


def test_the_conversation():
    user, assistant, tool, answer = messages(story())
    assert (user.role, user.text, user.data, user.seq) == ("user", "count the files", {"n": 1}, 1)
    assert (assistant.role, assistant.text, assistant.name) == ("assistant", "let me look", "m-1")
    assert [call["name"] for call in assistant.tool_calls] == ["files.count"]
    assert (tool.role, tool.text, tool.call_id, tool.name) == ("tool", "408", "c0", "files.count")
    assert (tool.evidence_id, tool.is_error, tool.data) == ("t1c0", True, {"value": 408})
    assert (answer.text, answer.at) == ("It is 408.", at(4))


def test_the_spans_of_a_run_that_has_ended():
    root, turn, call, last = timeline(story())
    assert (root.key, root.parent, root.name, root.status) == ("run", None, "teller", "completed")
    assert (root.started_at, root.ended_at, root.ms, root.run_id) == (at(1), at(5), 4000.0, "run_1")
    assert (turn.parent, call.parent, last.parent) == ("run", "g1/turn/1/model", "run")
    assert (call.kind, call.name, call.status, call.ms) == ("tool", "files.count", "failed", 250.0)


def test_the_spans_of_a_run_that_goes_on():
    lines = Lines()
    lines.started()
    lines.replied(1, calls=["files.write"])
    lines.opened(f"{CALL}/approval")
    lines.intended(CALL, "files.write")
    root, _, approval, call = timeline(lines)
    assert (root.status, root.ended_at, root.ms) == ("running", None, None)
    assert (approval.parent, call.parent, call.ended_at) == (CALL, "g1/turn/1/model", None)


def test_no_entries_no_spans():
    assert timeline([]) == []


def test_a_part_of_a_journal_has_spans_too():
    root, *_ = timeline(story()[1:])
    assert root.name == ""


def test_the_log():
    lines = story()
    found = [(line.level, line.message) for line in log(lines)]
    assert found == [
        ("info", "teller started: count the files"),
        ("info", "model m-1 completed: calls files.count"),
        ("warning", "tool files.count failed: 408"),
        ("info", "model m-1 completed: It is 408."),
        ("info", "run completed (completed)"),
    ]


def test_the_log_of_a_failure():
    lines = Lines()
    lines.child_started("disk")
    lines.child_ended("disk", "cancelled", {"code": "operator", "detail": "stopped"})
    lines.ended("failed", {"code": "tool_error", "detail": "it broke"})
    found = [(line.level, line.message) for line in log(lines)]
    assert found == [
        ("info", "child disk running: do disk"),
        ("warning", "child disk cancelled: operator: stopped"),
        ("error", "run failed (operator): tool_error: it broke"),
    ]


def test_usage_is_counted_for_the_run_and_for_the_family():
    lines = Lines()
    assert used(lines) == Used(NOTHING_USED, NOTHING_USED)
    lines.replied(1)
    lines.replied(2, usage=Usage(input_tokens=1, output_tokens=1, calls=1))
    lines.child_started("disk")
    lines.child_ended("disk")
    own = Usage(input_tokens=11, output_tokens=6, calls=2)
    assert used(lines) == Used(own, own + Usage(input_tokens=100, calls=2))


def test_what_becomes_of_a_run_after_its_end_is_told_in_words():
    lines = Lines()
    retried: JsonObject = {"generation": 2, "from": 3, "by": "ann", "reason": "it was late", "dropped": []}
    lines.put("g2/retry", EntryType.RUN_RETRIED, retried)
    lines.put("g3/retry", EntryType.RUN_RETRIED, {**retried, "generation": 3, "from": None, "reason": ""})
    lines.put("g1/fork", EntryType.RUN_FORKED, {"by": "ann", "from": 5, "source_id": "run_0"})
    for place, happened in enumerate((True, False)):
        lines.put(f"k/reconciled/{place}", EntryType.EFFECT_RECONCILED, {"tool": "shop.find", "happened": happened})
    undone = {"tool": "shop.pay", "undone_run": "run_0", "undone_key": "g1/call/0"}
    lines.put("g1/undone/0", EntryType.EFFECT_COMPENSATED, undone)
    assert [line.message for line in log(lines)] == [
        "retried by ann from 3, generation 2: it was late",
        "retried by ann, generation 3",
        "forked by ann from 5 of run_0",
        "shop.find was asked: the call had happened",
        "shop.find was asked: the call had not happened",
        "shop.pay (g1/call/0 of run_0) is undone",
    ]


def test_a_conversation_that_was_made_shorter_says_how():
    for summarised, how in ((True, "with a summary"), (False, "without a summary")):
        lines = Lines()
        body: JsonObject = {"summarised": summarised, "tokens_before": 900, "tokens_after": 300}
        lines.put("g1/turn/2/compacted/1", EntryType.CONTEXT_COMPACTED, body)
        (line,) = log(lines)
        assert line.message == f"the conversation was made shorter {how}: 900 tokens to 300"
        assert line.level == "info"

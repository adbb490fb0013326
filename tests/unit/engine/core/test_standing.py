"""Which entries count after retries, and what is kept when a run goes on from a point."""

from typing import Any

import pytest

from ripieno.domain.entries import Entry, EntryType
from ripieno.domain.runs import ExitReason
from ripieno.engine.core import standing
from tests.unit.engine.core.journal_lines import START

TYPES = {
    "start": EntryType.RUN_STARTED,
    "model": EntryType.MODEL_REPLIED,
    "refused": EntryType.MODEL_FAILED,
    "intent": EntryType.EFFECT_INTENDED,
    "call": EntryType.TOOL_RETURNED,
    "asked": EntryType.INTERRUPT_OPENED,
    "child": EntryType.CHILD_STARTED,
    "end": EntryType.CHILD_ENDED,
    "plan": EntryType.TEAM_PLANNED,
    "over": EntryType.RUN_FAILED,
    "retry": EntryType.RUN_RETRIED,
}


def journal(*lines: tuple[str, str] | tuple[str, str, dict[str, Any]]) -> list[Entry]:
    """Entries from (key, kind, body)."""
    entries: list[Entry] = []
    for seq, (key, kind, *body) in enumerate(lines, start=1):
        given = body[0] if body else {"run_id": f"run_{seq}"}
        entries.append(Entry("run_1", seq, key, TYPES[kind], given, START, 1))
    return entries


def ended(status: str) -> dict[str, Any]:
    return {"run_id": "run_c", "result": {"status": status}}


TURNS = journal(
    ("g1/start", "start"),
    ("g1/turn/1/model", "model"),
    ("g1/turn/1/call/1", "call"),
    ("g1/turn/1/call/0/approval", "asked"),
    ("g1/turn/1/call/0/intent/1", "intent"),
    ("g1/turn/1/call/0", "call"),
    ("g1/turn/2/model", "model"),
    ("g1/turn/2/call/0/intent/1", "intent"),
    ("end", "over"),
)
TEAM = journal(
    ("g1/start", "start"),
    ("g1/child/plan", "child"),
    ("g1/child/plan/end", "end", ended("completed")),
    ("g1/plan", "plan"),
    ("g1/child/step/a", "child"),
    ("g1/child/step/end", "child"),
    ("g1/child/step/a/end", "end", ended("failed")),
    ("g1/child/step/end/end", "end", ended("completed")),
    ("g1/child/draft-1", "child"),
)


def test_a_retry_drops_what_it_says_and_renames_the_rest():
    entries = [*TURNS, *journal(*[("x", "call")] * 9, ("g2/retry", "retry", {"dropped": [7, 8]}))[9:]]
    assert list(standing.recorded(entries, 2)) == [
        "g2/start",
        "g2/turn/1/model",
        "g2/turn/1/call/1",
        "g2/turn/1/call/0/approval",
        "g2/turn/1/call/0/intent/1",
        "g2/turn/1/call/0",
    ]
    assert standing.recorded(TURNS, 1)["end"].seq == 9


def test_commands_have_all_their_entries_and_know_when_they_began():
    found = standing.commands(standing.standing(TURNS))
    assert {name: (command.first, command.last, command.begun, command.whole) for name, command in found.items()} == {
        "start": (1, 1, 1, True),
        "turn/1/model": (2, 2, 2, True),
        "turn/1/call/1": (3, 3, 2, True),
        "turn/1/call/0": (4, 6, 2, True),
        "turn/2/model": (7, 7, 7, True),
        "turn/2/call/0": (8, 8, 7, False),
    }
    assert found["turn/1/call/0"].key == "g1/turn/1/call/0"


def test_a_child_is_one_command_even_when_it_is_called_end():
    found = standing.commands(standing.standing(TEAM))
    assert [name for name, command in found.items() if not command.whole] == ["child/draft-1"]
    assert (found["child/step/end"].first, found["child/step/end"].last) == (6, 8)
    assert found["child/step/a"].children == ("run_5",)


@pytest.mark.parametrize(
    ("again", "kept"),
    [
        ("start", []),
        ("turn/1/model", ["start"]),
        ("turn/1/call/0", ["start", "turn/1/model", "turn/1/call/1"]),
        ("turn/2/model", ["start", "turn/1/model", "turn/1/call/1", "turn/1/call/0"]),
    ],
)
def test_what_is_kept_when_a_command_is_done_again(again: str, kept: list[str]):
    assert list(standing.kept_from(standing.standing(TURNS), again)) == kept


def test_a_step_beside_the_one_that_is_done_again_is_kept():
    kept = standing.kept_from(standing.standing(TEAM), "child/step/a")
    assert list(kept) == ["start", "child/plan", "plan", "child/step/end"]


def test_what_is_kept_before_a_number():
    found = standing.standing(TURNS)
    assert list(standing.kept_before(found, 6)) == ["start", "turn/1/model", "turn/1/call/1"]
    assert list(standing.kept_before(found, 1)) == []


@pytest.mark.parametrize(
    ("seq", "kept"),
    [
        (1, ["start"]),
        (2, ["start", "turn/1/model"]),
        (3, ["start", "turn/1/call/0", "turn/1/call/1", "turn/1/model"]),
        (5, ["start", "turn/1/call/1", "turn/1/model"]),
        (6, ["start", "turn/1/call/0", "turn/1/call/1", "turn/1/model"]),
    ],
)
def test_what_is_kept_at_an_entry(seq: int, kept: list[str]):
    assert sorted(standing.kept_at(standing.standing(TURNS), TURNS[seq - 1])) == kept


@pytest.mark.parametrize(
    ("entries", "reason", "again"),
    [
        (TURNS, ExitReason.MAX_TURNS, "turn/2/model"),
        (TURNS, ExitReason.OPERATOR, None),
        (TEAM, ExitReason.MODEL_ERROR, "child/step/a"),
        (TEAM[:4], ExitReason.INVALID_OUTPUT, "child/plan"),
        ([], ExitReason.TOOL_ERROR, None),
        (journal(("g1/start", "start"), ("g1/call/0", "call")), ExitReason.TOOL_ERROR, "call/0"),
    ],
)
def test_where_a_run_failed(entries: list[Entry], reason: ExitReason, again: str | None):
    assert standing.where_it_failed(standing.standing(entries), reason) == again


NOT_BEGUN = {"result": {"status": "over_budget"}}
UNPAID = {
    "model": (
        [
            ("g1/turn/1/model", "model"),
            ("g1/turn/2/model/budget", "asked"),
            ("g1/turn/2/model", "refused", {"code": "price_unknown"}),
        ],
        {"turn/1/model"},
    ),
    "one call of a turn, and what came after it": (
        [
            ("g1/turn/1/model", "model"),
            ("g1/turn/1/call/0", "call", NOT_BEGUN),
            ("g1/turn/1/call/1", "call", {"result": {"status": "ok"}}),
            ("g1/turn/1/call/2", "call", NOT_BEGUN),
            ("g1/note", "plan"),
        ],
        {"turn/1/model", "turn/1/call/1"},
    ),
    "child": (
        [
            ("g1/child/a", "child"),
            ("g1/child/a/end", "end", {"result": {"status": "failed", "exit_reason": "budget_exceeded"}}),
            ("g1/child/b", "child"),
            ("g1/child/b/end", "end", {"result": {"status": "completed", "exit_reason": "completed"}}),
        ],
        set[str](),
    ),
    "nothing: the run's own limit": ([("g1/turn/1/model", "model"), ("g1/plan", "plan")], {"turn/1/model", "plan"}),
    "nothing: another failure": (
        [("g1/turn/1/model", "model"), ("g1/turn/2/model", "refused", {"code": "model_refused"})],
        {"turn/1/model", "turn/2/model"},
    ),
}


@pytest.mark.parametrize("what", UNPAID)
def test_what_was_not_begun_for_want_of_money_is_tried_again(what: str):
    lines, kept = UNPAID[what]
    found = standing.standing(journal(*lines))
    assert set(standing.kept_after(found, ExitReason.BUDGET_EXCEEDED)) == kept


def test_what_is_kept_where_nobody_names_a_point():
    found = standing.standing(TURNS)
    assert standing.kept_after(found, ExitReason.MODEL_ERROR) == standing.kept_from(found, "turn/2/model")
    assert set(standing.kept_after(found, ExitReason.DEFECT)) == {
        name for name, command in standing.commands(found).items() if command.whole
    }

from dataclasses import replace

import pytest

from ripieno.cli.asking import Answer, Decide, Edit, Unclear, View, card, read, read_arguments
from ripieno.cli.story import Question
from tests.unit.cli.happenings import START


def question(kind: str = "approval", /, **request: object) -> Question:
    return Question("apr_1", "run_1", "k", "executor", kind, dict(request), "high", ("it writes",), START)


@pytest.mark.parametrize(
    ("kind", "line", "answer"),
    [
        ("approval", "y\n", Decide({"decision": "approve"})),
        ("approval", "YES looks good\n", Decide({"decision": "approve", "reason": "looks good"})),
        ("approval", "n not now\n", Decide({"decision": "deny", "reason": "not now"})),
        ("approval", "no\n", Decide({"decision": "deny"})),
        ("approval", "e\n", Edit()),
        ("approval", 'edit {"a": 1}\n', Edit('{"a": 1}')),
        ("approval", "v\n", View()),
        ("approval", "\n", Unclear("nothing is decided yet")),
        ("approval", "yep\n", Unclear("please answer y or n")),
        ("budget", "y\n", Decide({"decision": "approve"})),
        ("budget", "e\n", Unclear("please answer y or n")),
        ("budget", "y 2.5 for the rest\n", Decide({"decision": "approve", "reason": "for the rest", "amount": 2.5})),
        ("budget", "y as usual\n", Decide({"decision": "approve", "reason": "as usual"})),
        ("question", "the blue one\n", Decide({"decision": "answer", "answer": "the blue one"})),
        ("question", "v\n", Decide({"decision": "answer", "answer": "v"})),
        ("question", "\n", Unclear("an answer is needed")),
        ("unknown_effect", "c it is there\n", Decide({"decision": "committed", "reason": "it is there"})),
        ("unknown_effect", "retry\n", Decide({"decision": "retry"})),
        ("unknown_effect", "a\n", Decide({"decision": "abandon"})),
        ("unknown_effect", "v\n", View()),
        ("unknown_effect", "y\n", Unclear("please answer c, r or a")),
        ("unknown_effect", "\n", Unclear("please answer c, r or a")),
    ],
)
def test_what_a_line_means(kind: str, line: str, answer: Answer):
    assert read(kind, line) == answer


def test_edited_arguments():
    assert read_arguments('{"path": "b"}') == Decide({"decision": "approve", "arguments": {"path": "b"}})
    assert read_arguments("[1]") == Unclear("the arguments must be a JSON object")
    unclear = read_arguments("{")
    assert isinstance(unclear, Unclear)
    assert unclear.why.startswith("that is not JSON")


def test_a_card_shows_what_is_decided():
    request: dict[str, object] = {
        "tool": "files.write",
        "arguments": {"path": "a.md", "mode": 420},
        "description": "Write.\n\nMore.",
    }
    assert card(question(**request)).text() == (
        "\nexecutor asks for your approval  (apr_1)\n"
        "  tool       files.write\n"
        "  about      Write.\n"
        "  · path     a.md\n"
        "  · mode     420\n"
        "  risk       high\n"
        "  why asked  it writes"
    )


def test_a_card_says_who_must_decide_and_what_can_be_answered():
    options = {"committed": "It happened.", "retry": "It did not."}
    terms = {"required": 2, "exclude_requester": True, "assignees": ["dana", "role:finance"]}
    shown = card(replace(question("unknown_effect", tool="shop.pay", options=options), terms=terms)).text()
    assert shown == (
        "\nexecutor asks whether a call took effect  (apr_1)\n"
        "  tool       shop.pay\n"
        "  risk       high\n"
        "  why asked  it writes\n"
        "  needs      2 approvals\n"
        "  not by     whoever started the run\n"
        "  put to     dana, role:finance\n"
        "  committed  It happened.\n"
        "  retry      It did not."
    )
    assert "  answers    red, blue" in card(question("question", question="Which?", options=["red", "blue"])).text()


def test_long_texts_are_cut_until_all_is_asked_for():
    text = "\n".join(f"line {number}" for number in range(30))
    asked = question(tool="files.write", arguments={"content": text}, description="Write.\n\nMore.")
    short, whole = card(asked).text(), card(asked, whole=True).text()
    assert "line 11" in short
    assert "line 12" not in short
    assert "… 18 more lines (v shows all)" in short
    assert "line 29" in whole
    assert "More." in whole


def test_a_card_cannot_be_repainted_by_what_it_shows():
    evil = question(tool="files.write", arguments={"path\x1b[2J": "a\x1b[1A\rb"}, description="\x1b]0;x\x07")
    assert not {"\x1b", "\r", "\x07"} & set(card(evil, whole=True).text())


def test_a_question_shows_what_is_asked():
    text = card(question("question", question="Which colour?")).text()
    assert "executor asks for an answer" in text
    assert "Which colour?" in text

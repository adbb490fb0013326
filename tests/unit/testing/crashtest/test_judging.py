"""The judge on literal lines: what it must find, and what it must let pass."""

from collections import Counter
from typing import Any

from ripieno.testing.crashtest.judging import Finding, boundaries, judge

RUN = "run_1"
CALL = "g1/turn/1/call/0"
MODEL = "g1/turn/1/model"


def born(*keys: str, mark: str | None = None) -> dict[str, Any]:
    return {"what": "born", "life": 1, "runs": [standing(*keys, mark=mark)] if keys else []}


def rested(*keys: str, **fields: Any) -> dict[str, Any]:
    return {"what": "rested", "life": 1, "runs": [standing(*keys, **fields)]}


def standing(*keys: str, mark: str | None = None, state: str = "done", **fields: Any) -> dict[str, Any]:
    kinds = {MODEL: "model.replied", CALL: "tool.returned"}
    return {
        "run": RUN,
        "agent": "clerk",
        "status": "completed",
        "reason": "completed",
        "last_seq": len(keys),
        "entries": [[seq, key, kinds.get(key, "run.started"), mark] for seq, key in enumerate(keys, 1)],
        "effects": [[CALL, 1, "shop.pay", state]] if CALL in keys else [],
        **fields,
    }


def called(effect: str = "irreversible", idempotency_key: str = "k", key: str = CALL) -> dict[str, Any]:
    who = {"run": RUN, "key": key, "tool": "shop.pay"}
    return {"what": "called", "life": 1, **who, "effect": effect, "idempotency_key": idempotency_key}


def committed(key: str, kind: str = "tool.returned", mark: str | None = None) -> dict[str, Any]:
    return {"what": "committed", "life": 1, "place": key, "run": RUN, "entries": [[key, kind, mark]]}


def kinds(*lines: dict[str, Any], clean: list[dict[str, Any]] | None = None) -> list[str]:
    return [finding.kind for finding in judge(lines, clean).findings]


CLEAN = [born(), called(), committed(CALL), rested(CALL)]


def test_a_clean_run_is_clean():
    verdict = judge(CLEAN, CLEAN)
    assert verdict.findings == ()
    assert (verdict.effects, verdict.runs, verdict.ended) == (Counter(irreversible=1), 1, 1)
    assert boundaries([*CLEAN, committed(CALL), committed("end")]) == [CALL, "end"]


def test_what_may_happen_once_and_happened_twice():
    verdict = judge([born(), called(), born(), called(), rested(CALL)])
    assert verdict.findings == (Finding("doubled", f"shop.pay (irreversible) was called 2 times for {CALL}"),)
    assert verdict.doubled == Counter(irreversible=1)


def test_reads_and_idempotent_calls_in_doubt_are_made_again():
    for effect in ("read", "idempotent"):
        verdict = judge([born(), called(effect), born(), called(effect), rested(CALL)])
        assert (verdict.findings, verdict.again) == ((), Counter({effect: 1}))


def test_an_idempotent_call_under_another_key_is_another_call():
    assert kinds(born(), called("idempotent", "a"), born(), called("idempotent", "b"), rested(CALL)) == ["doubled"]


def test_no_completed_call_is_repeated_whatever_its_class():
    assert kinds(born(), called("read"), committed(CALL), called("read"), rested(CALL)) == ["repeated"]
    assert kinds(born(), called("read"), born(CALL), called("read"), rested(CALL)) == ["repeated"]


def test_no_completed_thought_is_repeated():
    thought = {"what": "thought", "life": 1, "fingerprint": "f"}
    reply = committed(MODEL, "model.replied", "f")
    assert kinds(thought, born(), thought, reply, rested(MODEL, mark="f")) == []
    assert kinds(thought, reply, born(MODEL, mark="f"), thought, rested(MODEL, mark="f")) == ["repeated"]


def test_what_was_acknowledged_is_there():
    assert kinds(born(), called(), committed(CALL), committed("g1/plan"), rested(CALL)) == ["lost"]


def test_what_is_on_record_as_done_has_happened():
    assert kinds(born(), rested(CALL)) == ["lost"]


def test_effects_of_ended_runs_are_settled():
    assert kinds(born(), called(), rested(CALL, state="unknown")) == ["lost"]
    assert kinds(born(), called(), rested(CALL, state="abandoned")) == []
    again = [[CALL, 1, "shop.pay", "unknown"], [CALL, 2, "shop.pay", "done"]]
    assert kinds(born(), called(), rested(CALL, effects=again)) == []


def test_a_journal_has_no_gaps():
    assert kinds(born(), called(), rested(CALL, last_seq=2)) == ["lost"]


def test_runs_end():
    assert kinds(born()) == ["unfinished"]
    assert kinds(born(), called(), rested(CALL, status="running", effects=[])) == ["unfinished"]


def test_runs_end_as_the_clean_one_did_and_do_the_same():
    other = [born(), called(key="g1/turn/1/call/1"), rested(CALL, effects=[])]
    assert kinds(*other, clean=CLEAN) == ["lost", "strange"]
    failed = [born(), called(), rested(CALL, status="failed", reason="defect")]
    assert kinds(*failed, clean=CLEAN) == ["different"]
    assert kinds(born(), called(), {"what": "rested", "life": 1, "runs": []}, clean=CLEAN)[:2] == ["unfinished", "lost"]


def test_lost_calls_that_were_asked_about_are_counted_once():
    asked = {"what": "decided", "life": 1, "run": RUN, "key": f"{CALL}/unknown/1", "kind": "unknown_effect"}
    granted = {**asked, "kind": "approval"}
    assert judge([*CLEAN, asked, asked, granted]).asked == 1

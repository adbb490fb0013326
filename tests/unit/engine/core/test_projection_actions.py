"""Tool calls are shown with what the ledger knows."""

from dataclasses import replace

from ripieno.domain.effects import Effect, EffectClass, EffectState
from ripieno.domain.tools import ToolStatus
from ripieno.engine.core.projection_actions import Action, actions
from tests.unit.engine.core.journal_lines import Lines, at

CALL = "g1/turn/1/call/0"


def effect(state: EffectState, attempt: int = 1) -> Effect:
    return Effect("run_1", CALL, attempt, "files.write", EffectClass.IRREVERSIBLE, state, "idem-1", "hash")


def test_a_read_has_no_key():
    lines = Lines()
    lines.started()
    lines.replied(1, calls=["math.add"])
    lines.returned(CALL, "math.add")
    assert actions(lines) == [
        Action(
            key=CALL,
            tool="math.add",
            arguments={"x": 1},
            effect=EffectClass.READ,
            state=EffectState.DONE,
            attempts=1,
            status=ToolStatus.OK,
            text="408",
            evidence_id="t1c0",
            started_at=at(2.75),
            ended_at=at(3),
            ms=250.0,
        )
    ]


def test_an_intent_under_way():
    lines = Lines()
    lines.intended(CALL, "files.write")
    (action,) = actions(lines)
    assert (action.state, action.attempts, action.idempotency_key) == (EffectState.INTENDED, 1, "idem-1")
    assert (action.effect, action.status, action.text) == (EffectClass.IRREVERSIBLE, None, None)


def test_the_ledger_has_the_last_word():
    lines = Lines()
    lines.intended(CALL, "files.write")
    lines.intended(CALL, "files.write", attempt=2)
    ledger = [effect(EffectState.INTENDED, 2), effect(EffectState.UNKNOWN, 1)]
    (action,) = actions(lines, ledger)
    assert (action.state, action.attempts) == (EffectState.INTENDED, 2)
    lines.returned(CALL, "files.write", "error", "irreversible", attempt=2)
    (action,) = actions(lines, [effect(EffectState.ABANDONED, 2)])
    assert (action.state, action.status) == (EffectState.ABANDONED, ToolStatus.ERROR)


def test_without_the_ledger_the_journal_tells():
    lines = Lines()
    lines.intended(CALL, "files.write")
    lines.ended("cancelled")
    (action,) = actions(lines)
    assert action.state is EffectState.UNKNOWN
    lines = Lines()
    lines.returned(CALL, "math.add", "timeout")
    assert actions(lines)[0].state is EffectState.FAILED


def test_every_attempt_of_a_call_is_shown():
    lines = Lines()
    lines.started()
    lines.intended("g1/turn/1/call/0", "shop.pay")
    lines.intended("g1/turn/1/call/0", "shop.pay", attempt=2)
    lines.returned("g1/turn/1/call/0", "shop.pay", effect="idempotent", attempt=2)
    first = Effect("run_1", "g1/turn/1/call/0", 1, "shop.pay", EffectClass.IDEMPOTENT, EffectState.ABANDONED, "k", "h")
    second = replace(first, attempt=2, state=EffectState.DONE, intended_at=lines[2].at, closed_at=lines[3].at)
    (action,) = actions(lines, [second, first])
    assert (action.state, action.attempts, action.arguments_hash) == (EffectState.DONE, 2, "h")
    assert [(attempt.attempt, attempt.state) for attempt in action.ledger] == [
        (1, EffectState.ABANDONED),
        (2, EffectState.DONE),
    ]
    assert action.ledger[1].closed_at == lines[3].at

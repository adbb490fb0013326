"""Conditions: what they may use, how long and deep they may be, and that nothing is guessed."""

import pytest

from ripieno.conditions import FUNCTIONS, LONGEST, compile_condition
from ripieno.domain.errors import Invalid

NAMES = ("channel", "tokens", "tags", "peer", "at")


@pytest.mark.parametrize(
    ("source", "facts", "holds"),
    [
        ("channel == 'mail' && tokens > 100", {"channel": "mail", "tokens": 101}, True),
        ("channel == 'mail' && tokens > 100", {"channel": "mail", "tokens": 100}, False),
        ("tags.exists(t, t.startsWith('eu-'))", {"tags": ["eu-west"]}, True),
        ("tags.exists(tag, tags.filter(other, other == tag).size() > 1)", {"tags": ["a", "b"]}, False),
        ("peer == null", {}, True),
        ("'a.map(b, c.map(d, e.map(f, 1)))' == channel", {"channel": "x"}, False),
        ('channel == "it\'s (" // .map(x, y)', {"channel": "it's ("}, True),
    ],
)
def test_holds_or_does_not(source: str, facts: dict[str, object], holds: bool):
    assert compile_condition(source, NAMES).holds(facts) is holds


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("channel ==", "does not parse"),
        ("", "does not parse"),
        ("nobody == 1", "no known fact: nobody"),
        ("tags.exists(t, u == t)", "no known fact: u"),
        ("launch(channel)", "no known function: launch"),
        ("tokens > 1 " + "|| tokens > 1 " * 200, "characters"),
        ("tags.map(a, tags.map(b, tags.map(c, 1))).size() > 0", "deeper than 2"),
        ("(" * 900 + "true" + ")" * 900, "does not parse"),
    ],
)
def test_refuses_before_anything_is_evaluated(source: str, why: str):
    with pytest.raises(Invalid, match=why) as refused:
        compile_condition(source, NAMES)
    assert refused.value.problems
    assert len(refused.value.detail) < LONGEST


@pytest.mark.parametrize(
    "source", ["peer > 3", "tokens / 0 == 1", "tags[5] == 'a'", "size(tokens) > 1", "'['.matches('[')"]
)
def test_what_cannot_be_evaluated_is_no_answer(source: str):
    condition = compile_condition(source, NAMES)
    with pytest.raises(Invalid, match="cannot be evaluated"):
        condition.holds({"peer": "x", "tokens": 1, "tags": ["a"]})


def test_what_is_neither_true_nor_false_is_no_answer():
    with pytest.raises(Invalid, match="neither true nor false"):
        compile_condition("tokens + 1", NAMES).holds({"tokens": 1})


def test_only_what_is_named_is_bound():
    assert compile_condition("tags.all(t, t != peer)", NAMES).names == {"tags", "peer"}


CALLS = {
    "contains": "'ab'.contains('b')",
    "startsWith": "'ab'.startsWith('a')",
    "endsWith": "'ab'.endsWith('b')",
    "matches": "'ab'.matches('a.')",
    "size": "size('ab') == 2",
    "string": "string(1) == '1'",
    "int": "int('1') == 1",
    "uint": "uint(1) == 1u",
    "double": "double('1') == 1.0",
    "bytes": "bytes('a') == b'a'",
    "dyn": "dyn(1) == 1",
    "type": "type(1) == type(2)",
    "timestamp": "timestamp('2026-01-01T00:00:00Z') < timestamp('2026-01-02T00:00:00Z')",
    "duration": "duration('1h') > duration('1s')",
}


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_each_function_is_there(function: str):
    source = CALLS.get(function, f"timestamp('2026-01-01T00:00:00Z').{function}() >= 0")
    assert compile_condition(source, ()).holds({}) is True

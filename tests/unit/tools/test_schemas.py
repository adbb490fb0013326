from datetime import date
from pathlib import Path

import pytest

from ripieno.domain.errors import Invalid, Problem
from ripieno.tools.schemas import MOST_DETAIL, MOST_PROBLEMS, MOST_REMEMBERED, check, is_pattern, pointer


def test_valid_value_has_no_problems():
    assert check({"type": "object", "properties": {"n": {"type": "integer"}}}, {"n": 1}) == []


def test_problems_point_at_the_place():
    schema = {"properties": {"a/b~c": {"items": {"type": "integer"}}}, "required": ["q"]}
    assert check(schema, {"a/b~c": [1, "x"]}) == [
        Problem("", '"q" is a required property'),
        Problem("/a~1b~0c/1", '"x" is not of type "integer"'),
    ]


def test_pointer_escapes_as_the_rfc_says():
    assert pointer(["a/b", 0, "~"]) == "/a~1b/0/~0"
    assert pointer([]) == ""


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "file:///etc/passwd"},
        {"$ref": "http://127.0.0.1:9/schema"},
        {"$id": "http://x.test/a", "$ref": "b"},
        {"$schema": "http://x.test/dialect", "type": "string"},
        {"$ref": "#/nowhere"},
        {"type": "strin"},
        {"pattern": "("},
        {"properties": 3},
    ],
)
def test_broken_schemas_and_those_that_look_outside_are_refused(schema: dict[str, object]):
    with pytest.raises(Invalid) as caught:
        check(schema, "x")
    assert caught.value.problems


def test_file_that_exists_is_not_read(tmp_path: Path):
    file = tmp_path / "schema.json"
    file.write_text('{"type": "integer"}')
    with pytest.raises(Invalid, match="not followed"):
        check({"$ref": file.as_uri()}, 1)


def test_schema_that_is_no_json_is_refused():
    with pytest.raises(Invalid, match="not a JSON document"):
        check({"const": object()}, 1)


@pytest.mark.parametrize("value", [date(2026, 1, 1), {1: 2}, {3}])
def test_value_that_is_no_json_is_a_problem(value: object):
    (problem,) = check({"type": "object"}, value)
    assert "not a JSON value" in problem.detail


def test_recursive_schemas_work():
    schema = {"$defs": {"n": {"properties": {"n": {"$ref": "#/$defs/n"}}, "type": "object"}}, "$ref": "#/$defs/n"}
    assert [problem.pointer for problem in check(schema, {"n": {"n": 3}})] == ["/n/n"]


def test_problems_and_their_details_are_bounded():
    problems = check({"items": {"type": "integer"}}, ["x" * 10_000] * 100)
    assert len(problems) == MOST_PROBLEMS
    assert len(problems[0].detail) == MOST_DETAIL + 1


def test_catastrophic_pattern_ends():
    assert check({"pattern": "^(?=(a+)+$)b"}, "a" * 60 + "b")


def test_schema_is_remembered_while_it_is_used_and_no_other_is_taken_for_it():
    for n in range(MOST_REMEMBERED + 10):  # identities come again once their schemas are gone
        assert not check({"const": n}, n)
        assert check({"const": n}, n + 1)


def test_patterns_are_told_from_what_are_none():
    assert is_pattern("^[a-z]+(?=x)")
    assert not is_pattern("(")

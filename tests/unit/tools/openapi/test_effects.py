"""Effects by method, by a key that the API takes, and by what its author says."""

import pytest

from ripieno.domain.jsons import JsonObject
from tests.unit.tools.openapi.described import api_of, operation_of, parameter


@pytest.mark.parametrize(
    ("method", "effect", "risk"),
    [
        ("get", "read", "low"),
        ("head", "read", "low"),
        ("options", "read", "low"),
        ("put", "idempotent", "medium"),
        ("delete", "idempotent", "high"),
        ("post", "irreversible", "medium"),
        ("patch", "irreversible", "medium"),
    ],
)
def test_a_method_says_what_it_does(method: str, effect: str, risk: str):
    operation = operation_of({}, method=method)
    assert (operation.effect, operation.risk) == (effect, risk)


@pytest.mark.parametrize("header", ["Idempotency-Key", "X-Idempotency-Key"])
def test_an_api_that_takes_a_key_can_be_asked_twice(header: str):
    operation = operation_of({"parameters": [parameter(header, "header", required=True)]}, method="post")
    assert (operation.effect, operation.idempotency_header) == ("idempotent", header)
    assert operation.parameters == ()
    assert operation.input_schema == {"type": "object", "properties": {}, "additionalProperties": False}


def test_the_author_knows_better():
    own: JsonObject = {"x-ripieno-effect": "read", "x-ripieno-risk": "high"}
    operation = operation_of(own, method="post")
    assert (operation.effect, operation.risk) == ("read", "high")


def test_a_word_that_is_none_is_a_problem():
    api = api_of({"/x": {"post": {"x-ripieno-effect": "harmless"}}})
    assert api.operations == ()
    assert "POST /x" in api.problems[0].where

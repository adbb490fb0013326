"""Parameters: which there are, what models call them, and what cannot be one."""

import pytest

from ripieno.domain.jsons import JsonObject
from tests.unit.tools.openapi.described import api_of, operation_of, parameter


def test_styles_are_what_openapi_says_where_nothing_is_said():
    own = [
        parameter("a", "path"),
        *(parameter(name, place) for name, place in (("b", "query"), ("c", "header"), ("d", "cookie"))),
    ]
    operation = operation_of({"parameters": own}, "/x/{a}")
    assert [(one.place, one.style, one.explode) for one in operation.parameters] == [
        ("path", "simple", False),
        ("query", "form", True),
        ("header", "simple", False),
        ("cookie", "form", True),
    ]
    assert operation.input_schema["required"] == ["a"]


def test_an_operations_own_win_over_those_of_its_path():
    shared = parameter("n", schema={"type": "string"})
    own = parameter("n", schema={"type": "integer"}, description="How many.")
    api = api_of({"/x": {"parameters": [shared, parameter("m")], "get": {"parameters": [own]}}})
    assert api.operations[0].input_schema["properties"] == {
        "n": {"type": "integer", "description": "How many."},
        "m": {"type": "string"},
    }


def test_one_may_be_a_reference_or_have_a_media_type():
    components = {
        "parameters": {
            "Filter": {"name": "filter", "in": "query", "content": {"application/json": {"schema": {"type": "object"}}}}
        }
    }
    operation = operation_of({"parameters": [{"$ref": "#/components/parameters/Filter"}]}, components=components)
    assert operation.parameters[0].media_type == "application/json"
    assert operation.input_schema["properties"] == {"filter": {"type": "object"}}


def test_arguments_have_names_that_models_may_use():
    own = [parameter(name) for name in ("filter[name]", "$top", "名", "body", "content_type", "x" * 80)]
    operation = operation_of({"parameters": own})
    assert [one.argument for one in operation.parameters] == [
        "filter_name",
        "top",
        "query",
        "body_query",
        "content_type_query",
        "x" * 64,
    ]


def test_one_name_in_two_places_is_two_arguments():
    operation = operation_of({"parameters": [parameter("id", "path"), parameter("id", "query")]}, "/x/{id}")
    assert [one.argument for one in operation.parameters] == ["id", "id_query"]


def test_headers_that_are_described_elsewhere_are_no_arguments():
    own = [parameter(name, "header") for name in ("Accept", "Content-Type", "Authorization", "X-Own")]
    assert list(operation_of({"parameters": own}).input_schema["properties"]) == ["X-Own"]


@pytest.mark.parametrize(
    ("own", "path", "why"),
    [
        ([], "/x/{id}", "no parameter fills {id}"),
        ([parameter("a\r\nb", "header")], "/x", "cannot be the name of a header"),
        ([{"$ref": "#/components/parameters/None"}], "/x", "nothing at"),
        ([{"$ref": "http://169.254.169.254/"}], "/x", "outside the document"),
        ([parameter("a b"), parameter("a_b"), parameter("a.b"), parameter("a_b_query")], "/x", None),
        ([parameter("a b"), parameter("a:b"), parameter("a;b")], "/x", "would both be the argument a_b"),
        ([{"in": "query"}], "/x", "KeyError"),
    ],
)
def test_what_cannot_be_filled_or_written_is_a_problem(own: list[JsonObject], path: str, why: str | None):
    api = api_of({path: {"get": {"parameters": own}}})
    assert [why in problem.reason for problem in api.problems if why] == ([True] if why else [])
    assert len(api.operations) == (0 if why else 1)

"""From a document to operations: whatever is in it, the rest is taken over."""

import copy
import random
from typing import Any, cast

import pytest

from ripieno.domain.errors import Invalid
from ripieno.domain.jsons import Json, JsonObject
from ripieno.tools.openapi.operations import SecurityScheme
from ripieno.tools.openapi.reading import LONGEST_SUMMARY, read
from ripieno.tools.schemas import check
from tests.unit.tools.openapi.described import api_of, body_of, document, operation_of, parameter

BIG: JsonObject = document(
    {
        "/pets/{id}": {
            "parameters": [parameter("id", "path"), {"$ref": "#/components/parameters/Limit"}],
            "get": {
                "operationId": "getPet",
                "summary": "One pet.",
                "tags": ["pets"],
                "responses": {
                    "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}}
                },
                "security": [{"key": []}, {}],
            },
            "put": {
                **body_of({"multipart/form-data": {"$ref": "#/components/schemas/Pet"}}),
                "servers": [{"url": "https://up.test"}],
            },
        },
        "/pets/{id}/again": {"$ref": "#/components/pathItems/Again"},
    },
    components={
        "pathItems": {"Again": {"post": {"parameters": [parameter("id", "path")]}}},
        "parameters": {"Limit": parameter("limit", schema={"type": "integer"}, style="form", explode=False)},
        "schemas": {
            "Pet": {
                "type": "object",
                "properties": {
                    "friends": {"type": "array", "items": {"$ref": "#/components/schemas/Pet"}},
                    "photo": {"format": "binary"},
                },
            }
        },
        "securitySchemes": {"key": {"type": "apiKey", "in": "query", "name": "k"}},
    },
)


def test_everything_about_an_operation():
    api = read(BIG, "zoo")
    get = api.operations[0]
    assert (get.name, get.method, get.path, get.summary, get.tags) == (
        "getPet",
        "GET",
        "/pets/{id}",
        "One pet.",
        ("pets",),
    )
    assert get.security == ({"key": ()}, {})
    assert not check(get.response_schemas["200"], {"friends": [{"friends": []}]})
    assert api.operations[1].servers == ({"url": "https://up.test"},)
    assert (api.operations[2].method, api.operations[2].path) == ("POST", "/pets/{id}/again")
    assert not api.problems
    assert (api.title, api.version) == ("Test", "1")


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"paths": {"/": {}}}, "names no version"),
        ({"openapi": "4.0.0", "paths": {"/": {}}}, "its version is '4.0.0'"),
        ({"swagger": "1.2", "paths": {"/": {}}}, "no OpenAPI"),
        ({"openapi": "3.1.0"}, "no paths"),
        ({"openapi": "3.1.0", "paths": []}, "no paths"),
        ({"openapi": "3.1.0", "paths": {}}, "no paths"),
    ],
)
def test_what_is_no_description_is_refused(wrong: JsonObject, why: str):
    with pytest.raises(Invalid, match=why):
        read(wrong, "t")


def test_problems_are_told_and_the_rest_is_taken_over():
    api = api_of(
        {
            "/good": {"get": {}},
            "/away": {"$ref": "https://evil.test/paths.json"},
            "/deep": {"get": {"parameters": [parameter("a", schema={"$ref": "file:///etc/passwd"})]}},
            "/odd": {"get": 3, "post": {"parameters": "none"}},
        }
    )
    assert [operation.path for operation in api.operations] == ["/good", "/odd", "/odd"]
    assert [problem.where for problem in api.problems] == ["/away", "GET /deep"]


def test_a_scheme_that_is_not_there_is_told():
    api = api_of({"/x": {"get": {}}}, components={"securitySchemes": {"a": {"$ref": "#/none"}}})
    assert api.schemes == {}
    assert [problem.where for problem in api.problems] == ["security scheme a"]


@pytest.mark.parametrize(
    ("given", "read_as"),
    [
        ({"type": "http", "scheme": "Bearer"}, SecurityScheme("s", "bearer")),
        ({"type": "http", "scheme": "digest"}, SecurityScheme("s", "digest")),
        ({"type": "openIdConnect"}, SecurityScheme("s", "bearer")),
        ({"type": "mutualTLS"}, SecurityScheme("s", "mutualTLS")),
        (
            {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "/t", "scopes": {"a": "", "b": ""}}}},
            SecurityScheme("s", "clientCredentials", token_url="/t", scopes=("a", "b")),
        ),
        ({"type": "oauth2", "flows": {"implicit": {}}}, SecurityScheme("s", "bearer")),
    ],
)
def test_security_schemes(given: JsonObject, read_as: SecurityScheme):
    assert api_of({"/x": {}}, components={"securitySchemes": {"s": given}}).schemes == {"s": read_as}


def test_security_of_the_document_holds_unless_an_operation_has_its_own():
    api = api_of({"/x": {"get": {}, "put": {"security": []}}}, security=[{"a": ["read"]}])
    assert [operation.security for operation in api.operations] == [({"a": ("read",)},), ()]


def test_a_summary_says_what_is_known_within_limits():
    assert operation_of({"summary": "S", "description": "S"}).summary == "S"
    assert operation_of({"summary": "S", "description": "D"}).summary == "S\n\nD"
    assert operation_of({}).summary == "GET /x"
    assert len(operation_of({"description": "long " * 1000}).summary) == LONGEST_SUMMARY


def test_arguments_that_ask_for_another_page_are_known():
    own = {"parameters": [parameter(name) for name in ("page", "per_page", "pageToken", "cursor", "pages")]}
    assert operation_of(own).pages == ("page", "pageToken", "cursor")


def spots(node: Json) -> list[tuple[Json, Any]]:
    """Every place of a document: the object or list, and the key or index."""
    if not isinstance(node, dict | list):
        return []
    within = cast("dict[Any, Any] | list[Any]", node)
    keys: list[Any] = list(within) if isinstance(within, dict) else list(range(len(within)))
    return [(within, key) for key in keys] + [spot for key in keys for spot in spots(within[key])]


ODD: tuple[Json, ...] = (
    None,
    True,
    0,
    -1,
    1e9,
    "",
    "x",
    "#/components/schemas/Pet",
    [],
    [None],
    [[]],
    {},
    {"$ref": "#"},
    {"$ref": "x"},
    {"a": {}},
    {"type": {}},
)


@pytest.mark.parametrize("seed", range(400))
def test_a_document_with_odd_values_in_odd_places_is_read_or_refused_in_words(seed: int):
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    odd: JsonObject = copy.deepcopy(BIG)
    if seed % 2:
        odd = {
            "swagger": "2.0",
            **odd,
            "parameters": odd["components"]["parameters"],
            "definitions": odd["components"]["schemas"],
            "securityDefinitions": odd["components"]["securitySchemes"],
        }
        odd["paths"]["/form"] = {
            "post": {
                "consumes": ["a/b"],
                "produces": ["c/d"],
                "parameters": [{"in": "formData", "name": "f", "type": "file"}],
                "responses": {"200": {"schema": {}}},
            }
        }
    for _ in range(chance.randint(1, 4)):
        node, key = chance.choice(spots(odd))
        node[key] = copy.deepcopy(chance.choice(ODD))
    try:
        api = read(odd, "t")
    except Invalid:
        return
    for operation in api.operations:
        check(operation.input_schema, {})
        for schema in operation.response_schemas.values():
            check(schema, {})

"""Swagger 2.0, told as OpenAPI 3.0."""

from typing import Any

import pytest

from ripieno.domain.errors import Invalid
from ripieno.domain.jsons import JsonObject
from ripieno.tools.openapi.operations import Api, Operation, SecurityScheme
from ripieno.tools.openapi.reading import read
from ripieno.tools.schemas import check


def old(paths: Any, **more: Any) -> Api:
    return read({"swagger": "2.0", "host": "api.test", "basePath": "/v2", "paths": paths, **more}, "t")


def one(own: JsonObject, **more: Any) -> Operation:
    api = old({"/x": {"post": own}}, **more)
    assert not api.problems
    return api.operations[0]


def test_where_it_is():
    assert [server["url"] for server in old({"/x": {}}, schemes=["https", "http"]).servers] == [
        "https://api.test/v2",
        "http://api.test/v2",
    ]
    assert old({"/x": {}}, host=None).servers == ({"url": "/v2"},)


def test_a_body_and_its_definition():
    body = {"in": "body", "name": "pet", "required": True, "schema": {"$ref": "#/definitions/Pet"}}
    operation = one({"parameters": [body]}, definitions={"Pet": {"type": "object", "required": ["name"]}})
    assert operation.body is not None
    assert operation.body.media_types == ("application/json",)
    assert not check(operation.input_schema, {"body": {"name": "a"}})
    assert check(operation.input_schema, {"body": {}})


@pytest.mark.parametrize(
    ("consumes", "kind", "media"),
    [
        ([], "file", "multipart/form-data"),
        ([], "string", "application/x-www-form-urlencoded"),
        (["multipart/form-data"], "string", "multipart/form-data"),
    ],
)
def test_form_data_becomes_a_body(consumes: list[str], kind: str, media: str):
    fields = [
        {"in": "formData", "name": "a", "type": kind, "required": True},
        {"in": "formData", "name": "b", "type": "array", "collectionFormat": "multi"},
    ]
    operation = one({"parameters": fields, "consumes": consumes})
    assert operation.body is not None
    assert operation.body.media_types == (media,)
    assert operation.body.forms[media].binary == (frozenset({"a"}) if kind == "file" else frozenset())
    assert operation.body.forms[media].encodings["b"].explode
    assert operation.input_schema["properties"]["body"]["required"] == ["a"]


@pytest.mark.parametrize(
    ("written", "style", "explode"),
    [
        ("csv", "form", False),
        ("multi", "form", True),
        ("ssv", "spaceDelimited", False),
        ("pipes", "pipeDelimited", False),
        (None, "form", False),
    ],
)
def test_lists_in_a_query(written: str | None, style: str, explode: bool):
    parameter = {
        "in": "query",
        "name": "tags",
        "type": "array",
        "items": {"type": "string"},
        "collectionFormat": written,
    }
    (found,) = one({"parameters": [{key: value for key, value in parameter.items() if value}]}).parameters
    assert (found.style, found.explode) == (style, explode)


def test_shared_parameters_of_every_kind():
    parameters = {
        "limit": {"in": "query", "name": "limit", "type": "integer"},
        "pet": {"in": "body", "name": "pet", "schema": {"type": "object"}},
    }
    own = [{"$ref": f"#/parameters/{name}"} for name in parameters]
    operation = one({"parameters": own}, parameters=parameters)
    assert operation.input_schema["properties"] == {"limit": {"type": "integer"}, "body": {"type": "object"}}


def test_answers_and_security():
    definitions = {
        "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
        "password": {"type": "basic"},
        "app": {"type": "oauth2", "flow": "application", "tokenUrl": "https://api.test/token", "scopes": {"read": ""}},
        "user": {"type": "oauth2", "flow": "implicit", "authorizationUrl": "https://api.test/"},
    }
    own = {
        "produces": ["application/json"],
        "responses": {"200": {"description": "", "schema": {"type": "array"}}, "404": {"$ref": "#/responses/None"}},
    }
    api = old(
        {"/x": {"get": own}},
        securityDefinitions=definitions,
        security=[{"key": []}],
        responses={"None": {"description": "none"}},
    )
    assert api.operations[0].response_schemas == {"200": {"type": "array"}}
    assert api.operations[0].security == ({"key": ()},)
    assert api.schemes == {
        "key": SecurityScheme("key", "apiKey", "header", "X-Key"),
        "password": SecurityScheme("password", "basic"),
        "app": SecurityScheme("app", "clientCredentials", token_url="https://api.test/token", scopes=("read",)),
        "user": SecurityScheme("user", "bearer"),
    }


UNREADABLE: list[JsonObject] = [
    {"parameters": [{"in": "formData"}]},
    {"parameters": [{"$ref": "file:///etc/passwd"}]},
    {"consumes": [{}], "parameters": [{"in": "body", "name": "b", "schema": {}}]},
    {"produces": [[]], "responses": {"200": {"schema": {}}}},
]


@pytest.mark.parametrize("own", UNREADABLE)
def test_what_cannot_be_read_is_a_problem_of_one_operation(own: JsonObject):
    api = old({"/bad": {"get": own}, "/good": {"get": {}}})
    assert [operation.path for operation in api.operations] == ["/good"]
    assert [problem.where for problem in api.problems] == ["GET /bad"]


def test_a_document_that_is_all_wrong_is_refused():
    with pytest.raises(Invalid, match="not described as Swagger"):
        old({"/x": {}}, responses={"a": {"schema": {}}}, produces=[{}])

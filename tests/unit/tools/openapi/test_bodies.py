"""Bodies: which media types there are, and what a model is told of each."""

import pytest

from ripieno.tools.openapi.bodies import is_json, is_text
from ripieno.tools.openapi.operations import Encoding, Form
from ripieno.tools.schemas import check
from tests.unit.tools.openapi.described import body_of, operation_of

FILE = {"type": "string", "format": "binary"}


def test_json_is_preferred_and_others_can_be_asked_for():
    media = {"text/plain": {}, "multipart/form-data": {"type": "object"}, "application/json": {"type": "object"}}
    operation = operation_of(body_of(media, required=True), method="post")
    assert operation.body is not None
    assert operation.body.media_types == ("application/json", "multipart/form-data", "text/plain")
    properties = operation.input_schema["properties"]
    assert properties["body"] == {"anyOf": [{"type": "object"}, {"type": "string"}]}
    assert properties["content_type"]["enum"] == list(operation.body.media_types)
    assert operation.input_schema["required"] == ["body"]


def test_a_body_may_be_a_reference_and_is_optional_unless_said():
    components = {
        "requestBodies": {"B": {"description": "All of it.", **body_of({"application/json": {}})["requestBody"]}}
    }
    operation = operation_of(
        {"requestBody": {"$ref": "#/components/requestBodies/B"}}, method="post", components=components
    )
    assert operation.input_schema == {
        "type": "object",
        "properties": {"body": {"description": "All of it."}},
        "additionalProperties": False,
    }


def test_files_in_a_form_take_base64_also_behind_references():
    upload = {
        "type": "object",
        "properties": {
            "file": {"$ref": "#/components/schemas/File"},
            "more": {"type": "array", "items": FILE},
            "name": {"type": "string"},
        },
    }
    components = {"schemas": {"Upload": upload, "File": {**FILE, "description": "A picture."}}}
    operation = operation_of(
        body_of({"multipart/form-data": {"$ref": "#/components/schemas/Upload"}}), method="post", components=components
    )
    properties = operation.input_schema["properties"]["body"]["properties"]
    assert properties["file"] == {
        "type": "string",
        "contentEncoding": "base64",
        "description": "A picture. Base64 of the bytes.",
    }
    assert properties["more"]["items"]["contentEncoding"] == "base64"
    assert properties["name"] == {"type": "string"}
    assert operation.body is not None
    assert operation.body.forms == {"multipart/form-data": Form({}, frozenset({"file", "more"}))}


def test_how_fields_are_written_is_kept_for_each_form():
    content = {
        "multipart/form-data": {"schema": {"type": "object"}, "encoding": {"a": {"contentType": "text/csv"}}},
        "application/x-www-form-urlencoded": {
            "schema": {"type": "object"},
            "encoding": {"b": {"style": "pipeDelimited"}},
        },
    }
    body = operation_of({"requestBody": {"content": content}}, method="post").body
    assert body is not None
    assert body.forms["multipart/form-data"].encodings == {"a": Encoding("text/csv")}
    assert body.forms["application/x-www-form-urlencoded"].encodings == {
        "b": Encoding(None, "pipeDelimited", explode=False)
    }


@pytest.mark.parametrize("kind", ["application/octet-stream", "image/png", "application/zip"])
def test_everything_else_is_bytes(kind: str):
    schema = operation_of(body_of({kind: FILE}), method="put").input_schema
    assert schema["properties"]["body"]["contentEncoding"] == "base64"
    assert not check(schema, {"body": "aGk="})


def test_no_content_is_no_body():
    assert operation_of({"requestBody": {"content": {}}}, method="post").body is None


def test_families_of_media_types():
    assert all(map(is_json, ("application/json", "application/problem+json; charset=utf-8", "*/*")))
    assert all(map(is_text, ("text/csv", "application/soap+xml", "application/xml")))
    assert not is_json("text/json-ish")
    assert not is_text("application/pdf")

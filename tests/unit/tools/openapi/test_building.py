"""Requests: what is sent for which arguments, byte for byte, and which arguments never leave."""

import base64
import email
import email.policy
from urllib.parse import parse_qs

import pytest

from ripieno.domain.errors import Invalid
from ripieno.domain.jsons import JsonObject
from ripieno.tools.openapi.building import Prepared, build, cookie_value
from tests.unit.tools.openapi.described import body_of, operation_of, parameter

BASE = "https://api.test/v1"


def built(own: JsonObject, arguments: JsonObject, path: str = "/x", method: str = "post") -> Prepared:
    return build(operation_of(own, path, method), arguments, BASE)


def test_every_argument_goes_to_its_place():
    own: JsonObject = {
        "parameters": [
            parameter("id", "path"),
            parameter("tags", schema={"type": "array"}),
            parameter("X-Own", "header"),
            parameter("who", "cookie"),
            {"name": "filter", "in": "query", "content": {"application/json": {}}},
            parameter("left-out"),
        ],
        **body_of({"application/json": {}}),
    }
    arguments = {
        "id": "a/b",
        "tags": ["x", "y&z"],
        "X-Own": "1",
        "who": "me; you",
        "filter": {"é": [1]},
        "body": {"ü": None},
    }
    prepared = built(own, arguments, "/x/{id}")
    assert prepared.address == f"{BASE}/x/a%2Fb?tags=x&tags=y%26z&filter=%7B%22%C3%A9%22%3A%5B1%5D%7D"
    assert prepared.headers["X-Own"] == "1"
    assert prepared.headers["content-type"] == "application/json"
    assert prepared.cookies == {"who": "me%3B%20you"}
    assert prepared.content == '{"ü":null}'.encode()


def test_a_call_without_a_body_has_none():
    prepared = built({}, {}, method="get")
    assert prepared.content is None
    assert "content-type" not in prepared.headers


@pytest.mark.parametrize("value", ["..", ".", "../admin", "a/../../b", "..\\x", ""])
def test_an_argument_cannot_climb_out_of_its_path(value: str):
    with pytest.raises(Invalid):
        built({"parameters": [parameter("name", "path")]}, {"name": value}, "/files/{name}/raw")


def test_dots_within_a_part_are_fine():
    prepared = built({"parameters": [parameter("name", "path")]}, {"name": ["..", "a..b"]}, "/files/{name}/raw")
    assert prepared.url == f"{BASE}/files/..,a..b/raw"


def test_two_arguments_cannot_climb_together():
    own = {"parameters": [parameter("a", "path"), parameter("b", "path")]}
    with pytest.raises(Invalid, match=r"\.\."):
        built(own, {"a": ".", "b": "."}, "/x/{a}{b}")


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\0", "é"])
def test_a_header_takes_one_line(value: str):
    with pytest.raises(Invalid) as caught:
        built({"parameters": [parameter("X-Own", "header")]}, {"X-Own": value})
    assert caught.value.problems[0].pointer == "/X-Own"


def test_a_form():
    content = {
        "application/x-www-form-urlencoded": {
            "schema": {},
            "encoding": {"o": {"contentType": "application/json"}, "p": {"style": "pipeDelimited"}},
        }
    }
    body = {"a b": "1&2", "l": [1, 2], "o": {"x": 1}, "p": [1, 2], "none": None}
    prepared = built({"requestBody": {"content": content}}, {"body": body})
    assert prepared.content is not None
    assert parse_qs(prepared.content.decode()) == {"a b": ["1&2"], "l": ["1", "2"], "o": ['{"x":1}'], "p": ["1|2"]}


def test_a_multipart_form_is_read_again_by_another():
    files = {"type": "array", "items": {"type": "string", "format": "binary"}}
    schema = {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}, "more": files}}
    raw = bytes(range(256))
    body = {"file": base64.b64encode(raw).decode(), "more": ["aGk=", "aG8="], 'na"me\r\n': "é", "meta": {"a": 1}}
    prepared = built(body_of({"multipart/form-data": schema}), {"body": body})
    assert prepared.content is not None
    head = f"Content-Type: {prepared.headers['content-type']}\r\n\r\n".encode()
    message = email.message_from_bytes(head + prepared.content, policy=email.policy.HTTP)
    parts = [
        (part.get_param("name", header="content-disposition"), part.get_content_type(), part.get_payload(decode=True))
        for part in message.iter_parts()
    ]
    assert parts == [
        ("file", "application/octet-stream", raw),
        ("more", "application/octet-stream", b"hi"),
        ("more", "application/octet-stream", b"ho"),
        ("na%22me%0D%0A", "text/plain", "é".encode()),
        ("meta", "application/json", b'{"a":1}'),
    ]


def test_text_and_bytes():
    assert built(body_of({"text/csv": {}}), {"body": "a,é"}).content == "a,é".encode()
    assert built(body_of({"image/png": {}}), {"body": "AAEC"}).content == b"\0\1\2"
    with pytest.raises(Invalid, match="must be base64"):
        built(body_of({"image/png": {}}), {"body": "no base64!"})


def test_the_media_type_that_is_asked_for():
    schema = {"type": "object", "properties": {"f": {"type": "string", "format": "binary"}}}
    own = body_of({"application/json": {}, "multipart/form-data": schema})
    prepared = built(own, {"body": {"f": "aGk="}, "content_type": "multipart/form-data"})
    assert prepared.content is not None
    assert b"\r\n\r\nhi\r\n" in prepared.content
    assert built(own, {"body": {"f": "aGk="}}).content == b'{"f":"aGk="}'


def test_cookies_hold_keys_as_they_are_and_nothing_that_ends_them():
    assert cookie_value("abc+/=.~") == "abc+/=.~"
    assert cookie_value('a;b,c d"e%\\') == "a%3Bb%2Cc%20d%22e%25%5C"

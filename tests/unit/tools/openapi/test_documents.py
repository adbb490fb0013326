"""Documents that strangers wrote: read as JSON, or refused in words, never by the end of the process."""

import pytest

from ripieno.domain.errors import Invalid
from ripieno.tools.openapi import documents
from ripieno.tools.openapi.documents import load


def lines(*parts: str) -> bytes:
    return "\n".join(parts).encode()


@pytest.mark.parametrize(
    ("content", "document"),
    [
        (b'{"openapi": "3.1.0"}', {"openapi": "3.1.0"}),
        (b'\xef\xbb\xbf{"a": [1, null, true, "x"]}', {"a": [1, None, True, "x"]}),
        (lines("openapi: 3.1.0", "paths:", "  /a: {get: {}}"), {"openapi": "3.1.0", "paths": {"/a": {"get": {}}}}),
        (b"{openapi: 3.1.0, paths: {}}", {"openapi": "3.1.0", "paths": {}}),
        (
            lines("on: off", "y: no", "day: 2024-01-01", "at: 1:30:00"),
            {"on": "off", "y": "no", "day": "2024-01-01", "at": "1:30:00"},
        ),
        (
            lines("200: ~", "true: 1", "zip: 007", "n: -3", "f: 1.5e3"),
            {"200": None, "true": 1, "zip": "007", "n": -3, "f": 1500.0},
        ),
        (lines("x: &x {a: 1}", "y: {<<: *x, b: 2}"), {"x": {"a": 1}, "y": {"a": 1, "b": 2}}),
    ],
)
def test_json_and_yaml_are_read_as_the_values_of_json(content: bytes, document: object):
    assert load(content) == document


def bomb(first: str, again: str) -> bytes:
    return lines(first, *(f"a{n}: &a{n} {again.replace('?', ', '.join([f'*a{n - 1}'] * 10))}" for n in range(1, 10)))


def test_aliases_that_stand_for_billions_are_refused():
    with pytest.raises(Invalid, match="stands for more than 3,000,000 values"):
        load(bomb("a0: &a0 [x, x, x, x]", "[?]"))


def test_merges_that_grow_without_end_are_refused():
    with pytest.raises(Invalid, match="more than 20,000 members"):
        load(bomb("a0: &a0 {x: 1, y: 2}", "{<<: [?]}"))


def test_an_alias_to_itself_is_refused():
    with pytest.raises(Invalid, match="more than 200 levels"):
        load(b"&a {openapi: 3.1.0, paths: *a}")


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"- " * 50_000 + b"x",
        b"? " * 50_000 + b"x",
        b"a: " + b"[" * 100_000,
        b"a:\n" + b"\n".join(b" " * n + b"- a:" for n in range(1, 1000)),
        b'{"a": ' + b"[" * 190 + b"]" * 190 + b"}" * 2,
    ],
    ids=["brackets", "braces", "dashes", "questions", "flow in block", "block", "unbalanced"],
)
def test_depth_ends_the_reading_and_not_the_process(content: bytes):
    with pytest.raises(Invalid):
        load(content)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "must be an object"),
        (b"[]", "must be an object"),
        (b"just words", "must be an object"),
        (b"\xff\xfe", "no UTF-8 text: byte 0"),
        (b'{"a": 1,,}', "not valid JSON"),
        (b'{"a": 1e999}', "a number that is too large"),
        (b'{"a": "\\ud800"}', "not valid JSON"),
        (b"a: " + b"9" * 5000, "neither JSON nor YAML"),
        (b"a: [1", "neither JSON nor YAML"),
        (b"? {a: b}\n: c", "unhashable"),
        (b"a: !!python/object/apply:os.system [id]", "could not determine a constructor"),
        (b"a: !!binary aGk=", "could not determine a constructor"),
        (b"a: !!set {b, c}", "could not determine a constructor"),
        (b"a: 1\n---\nb: 2", "neither JSON nor YAML"),
    ],
)
def test_what_is_no_document_is_refused_in_words(content: bytes, why: str):
    with pytest.raises(Invalid, match=why):
        load(content)


def test_a_document_that_is_too_large_is_not_even_parsed():
    with pytest.raises(Invalid, match="at most 32,000,000 are read"):
        load(b"{" + b" " * documents.MOST_BYTES + b"}")

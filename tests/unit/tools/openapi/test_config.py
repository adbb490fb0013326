"""What an administrator says about an API, and which of it is refused."""

from typing import Any

import pytest

from ripieno.domain.errors import Invalid
from ripieno.domain.jsons import JsonObject
from ripieno.tools.openapi.config import Selection, parsed
from tests.unit.tools.openapi.described import operation_of

OPERATION = operation_of({"operationId": "pets.list", "tags": ["pets"]}, "/pets/all")


@pytest.mark.parametrize(
    ("include", "meant"),
    [
        ({}, True),
        ({"tags": ["pets"]}, True),
        ({"tags": ["users"]}, False),
        ({"operations": ["pets.*"]}, True),
        ({"operations": ["pets_list"]}, True),
        ({"operations": ["users*"]}, False),
        ({"paths": ["^/pets"]}, True),
        ({"paths": ["^/all"], "tags": ["users"]}, False),
    ],
)
def test_operations_are_picked_by_tag_name_or_path(include: JsonObject, meant: bool):
    assert Selection.model_validate(include).means(OPERATION) is meant


def test_what_is_deprecated_is_left_out_unless_asked_for():
    old = operation_of({"deprecated": True})
    assert not Selection().means(old)
    assert Selection(deprecated=True).means(old)


def test_the_administrator_knows_more_than_the_document():
    config = parsed({"effects": {"get_*": "irreversible"}, "risks": {"*": "high"}, "idempotency_header": "Idem"})
    assert config.declared(operation_of({})).effect == "irreversible"
    changed = config.declared(operation_of({}, method="post"))
    assert (changed.effect, changed.risk, changed.idempotency_header) == ("idempotent", "high", "Idem")
    assert parsed({}).declared(OPERATION) == OPERATION


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"more": 1}, "/more"),
        ({"include": {"paths": ["("]}}, "/include/paths"),
        ({"base_url": "ftp://x"}, "/base_url"),
        ({"base_url": "https://user:word@api.test"}, "/base_url"),
        ({"base_url": "https://api.test/?a=1"}, "/base_url"),
        ({"origins": ["api.test"]}, "/origins/0"),
        ({"auth": {"a": {"secret": "ghp_openly"}}}, "/auth/a/secret"),
        ({"auth": {"a": {}}}, "/auth/a/secret"),
        ({"auth": {"a": {"secret": "secret://s", "type": "apiKey"}}}, "/auth/a"),
        ({"auth": {"a": {"secret": "secret://s", "type": "clientCredentials"}}}, "/auth/a"),
        ({"auth": {"a": {"secret": "secret://s", "type": "apiKey", "name": "a\r\nb"}}}, "/auth/a/name"),
        ({"effects": {"*": "harmless"}}, "/effects/*"),
        ({"timeout": 0}, "/timeout"),
        (None, "/"),
    ],
)
def test_mistakes_are_named_where_they_are(given: Any, pointer: str):
    with pytest.raises(Invalid) as caught:
        parsed(given)
    assert [problem.pointer for problem in caught.value.problems] == [pointer]


def test_no_secret_is_ever_quoted():
    with pytest.raises(Invalid) as caught:
        parsed({"auth": {"a": {"secret": "ghp_openly"}}})
    assert "ghp_openly" not in repr((caught.value.detail, caught.value.problems))

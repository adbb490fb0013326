"""Names: short enough for models, the same at every import."""

import re

from hypothesis import given
from hypothesis import strategies as st

from ripieno.tools.openapi.naming import named, room_beside, told_apart
from tests.unit.tools.openapi.described import api_of


@given(st.text(max_size=200), st.text(max_size=200), st.text(alphabet="abc-_", min_size=1, max_size=32))
def test_every_name_can_be_told_to_a_model(operation_id: str, path: str, toolset: str):
    name = named(operation_id, "get", path, room_beside(toolset))
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", f"{toolset}__{name}")


def test_ids_are_kept_where_they_can_be():
    assert named("getPet", "get", "/pets", 30) == "getPet"
    assert named("pets/get-one", "get", "/pets", 30) == "pets_get-one"
    assert named("", "get", "/pets/{id}", 30) == "get_pets_id"
    assert named("получить", "get", "/pets", 30) == "get_pets"


def test_what_is_cut_is_marked_by_its_path():
    one, other = (named("a" * 80, "get", path, 30) for path in ("/one", "/other"))
    assert one != other
    assert len(one) == len(other) == 30
    assert one == named("a" * 80, "get", "/one", 30)


def test_two_of_one_name_are_both_marked_in_whatever_order():
    paths = {"/a": {"get": {"operationId": "list"}}, "/b": {"get": {"operationId": "list"}}}
    names = [operation.name for operation in api_of(paths).operations]
    assert names == [told_apart("list", "get", path, 61) for path in ("/a", "/b")]
    assert names[::-1] == [operation.name for operation in api_of(dict(reversed(paths.items()))).operations]

"""Bodies as text."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ripieno.domain.errors import Invalid
from ripieno.store.bodies import dump, load

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(VALUES)
def test_what_is_json_comes_back(value: Any):
    assert load(dump(value)) == value


def test_what_no_reader_could_take_is_replaced():
    assert load(dump({"nan": float("nan"), "half": ["\ud800"]})) == {"nan": None, "half": ["?"]}


def test_what_is_no_json_is_refused():
    circle: list[Any] = []
    circle.append(circle)
    for value in (object(), {"deep": [object()]}, circle, b"\xff"):
        with pytest.raises(Invalid, match="cannot be written as JSON"):
            dump(value)

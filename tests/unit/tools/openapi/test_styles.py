"""The table of styles in OpenAPI 3.1 (§4.8.12.4) and the expansions of RFC 6570 behind it."""

import pytest

from ripieno.domain.jsons import Json
from ripieno.tools.openapi import styles
from ripieno.tools.openapi.operations import Parameter, Place

STRING, ARRAY, OBJECT = "blue", ["blue", "black", "brown"], {"R": 100, "G": 200, "B": 150}


def color(place: Place, style: str, *, explode: bool, reserved: bool = False) -> Parameter:
    return Parameter("color", "color", place, style, explode, reserved=reserved)


@pytest.mark.parametrize(
    ("style", "explode", "value", "written"),
    [
        ("matrix", False, "", ";color"),
        ("matrix", False, STRING, ";color=blue"),
        ("matrix", False, ARRAY, ";color=blue,black,brown"),
        ("matrix", False, OBJECT, ";color=R,100,G,200,B,150"),
        ("matrix", True, STRING, ";color=blue"),
        ("matrix", True, ARRAY, ";color=blue;color=black;color=brown"),
        ("matrix", True, OBJECT, ";R=100;G=200;B=150"),
        ("label", False, "", "."),
        ("label", False, STRING, ".blue"),
        ("label", False, ARRAY, ".blue,black,brown"),
        ("label", False, OBJECT, ".R,100,G,200,B,150"),
        ("label", True, ARRAY, ".blue.black.brown"),
        ("label", True, OBJECT, ".R=100.G=200.B=150"),
        ("simple", False, STRING, "blue"),
        ("simple", False, ARRAY, "blue,black,brown"),
        ("simple", False, OBJECT, "R,100,G,200,B,150"),
        ("simple", True, ARRAY, "blue,black,brown"),
        ("simple", True, OBJECT, "R=100,G=200,B=150"),
        ("simple", False, "a/b c?d#é", "a%2Fb%20c%3Fd%23%C3%A9"),
        ("simple", False, True, "true"),
        ("simple", False, 1.5, "1.5"),
        ("simple", False, {"a": {"b": 1}}, "a,%7B%22b%22%3A1%7D"),
    ],
)
def test_in_a_path(style: str, explode: bool, value: Json, written: str):
    assert styles.in_path(color("path", style, explode=explode), value) == written


@pytest.mark.parametrize(
    ("style", "explode", "value", "written"),
    [
        ("form", False, "", "color="),
        ("form", False, STRING, "color=blue"),
        ("form", False, ARRAY, "color=blue,black,brown"),
        ("form", False, OBJECT, "color=R,100,G,200,B,150"),
        ("form", True, STRING, "color=blue"),
        ("form", True, ARRAY, "color=blue&color=black&color=brown"),
        ("form", True, OBJECT, "R=100&G=200&B=150"),
        ("spaceDelimited", False, ARRAY, "color=blue%20black%20brown"),
        ("spaceDelimited", False, OBJECT, "color=R%20100%20G%20200%20B%20150"),
        ("pipeDelimited", False, ARRAY, "color=blue%7Cblack%7Cbrown"),
        ("pipeDelimited", False, OBJECT, "color=R%7C100%7CG%7C200%7CB%7C150"),
        ("deepObject", True, OBJECT, "color[R]=100&color[G]=200&color[B]=150"),
        ("deepObject", True, {"a": {"b": [1, 2]}, "n": None}, "color[a][b]=1&color[a][b]=2"),
        ("form", True, "a&b=c", "color=a%26b%3Dc"),
        ("form", True, None, ""),
        ("form", False, [], ""),
        ("form", True, {}, ""),
        ("form", True, False, "color=false"),
    ],
)
def test_in_a_query(style: str, explode: bool, value: Json, written: str):
    assert "&".join(styles.in_query(color("query", style, explode=explode), value)) == written


def test_reserved_characters_stay_where_they_cannot_be_mistaken():
    parameter = color("query", "form", explode=True, reserved=True)
    assert styles.in_query(parameter, "a/b?c:d=e&f#g+h%") == ["color=a/b?c:d=e%26f%23g%2Bh%25"]


@pytest.mark.parametrize(
    ("explode", "value", "written"),
    [
        (False, STRING, "blue"),
        (False, ARRAY, "blue,black,brown"),
        (False, OBJECT, "R,100,G,200,B,150"),
        (True, OBJECT, "R=100,G=200,B=150"),
    ],
)
def test_in_a_header(explode: bool, value: Json, written: str):
    assert styles.in_header(color("header", "simple", explode=explode), value) == written

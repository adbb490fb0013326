"""Which tools a few words mean."""

import pytest

from ripieno.domain.tools import ToolSpec
from ripieno.engine.core.ranking import ranked, words


def tool(name: str, description: str = "", *keywords: str, **parameters: str) -> ToolSpec:
    return ToolSpec(name, description, {"type": "object", "properties": parameters}, keywords=keywords)


SHOP = [
    tool("shop.create_order", "Create an order.\n\nThe customer is billed.", item="string"),
    tool("shop.delete_order", "Cancel an order for good."),
    tool("shop.list_orders", "All orders of a customer.", customer="string"),
    tool("shop.get_weather", "What the sky does.", "forecast"),
    tool("shop.listShippingAddresses", "Where parcels go."),
]


@pytest.mark.parametrize(
    ("query", "best"),
    [
        ("make a new order", "shop.create_order"),
        ("remove an order", "shop.delete_order"),
        ("show me all orders", "shop.list_orders"),
        ("forecast", "shop.get_weather"),
        ("shipping address", "shop.listShippingAddresses"),
        ("who is billed", "shop.create_order"),
    ],
)
def test_words_find_a_tool_by_name_description_keywords_and_parameters(query: str, best: str):
    assert ranked(query, SHOP, 3)[0][0].name == best


def test_what_fits_nothing_finds_nothing():
    assert ranked("quantum chromodynamics", SHOP, 3) == []
    assert ranked("the of a", SHOP, 3) == []
    assert ranked("order", [], 3) == []


def test_no_more_are_told_than_asked_for_and_equals_stand_by_name():
    twins = [tool("b.same", "Same."), tool("a.same", "Same.")]
    assert [spec.name for spec, _ in ranked("same", twins, 5)] == ["a.same", "b.same"]
    assert len(ranked("order", SHOP, 2)) == 2


def test_words_of_names_are_taken_apart():
    assert words("listPullRequests") == words("pull-requests list".replace("pull-requests list", "list pull requests"))
    assert words("HTTPServer2") == ["http", "server", "2"]
    assert words("Straße öffnen")

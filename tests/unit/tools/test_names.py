import pytest

from ripieno.domain.errors import Invalid
from ripieno.domain.tools import ToolSpec
from ripieno.tools.names import check_name, select

SPECS = [
    ToolSpec(name, "", {}) for name in ("counter.get", "counter.get_all", "counter.reset", "counters.x", "math.add")
]


@pytest.mark.parametrize(
    ("patterns", "chosen"),
    [
        ([], []),
        (["math.add"], ["math.add"]),
        (["counter"], ["counter.get", "counter.get_all", "counter.reset"]),
        (["counter.*"], ["counter.get", "counter.get_all", "counter.reset"]),
        (["math", "counter.get*"], ["counter.get", "counter.get_all", "math.add"]),
        (["*"], [spec.name for spec in SPECS]),
        (["Counter", "count", ""], []),
    ],
)
def test_select(patterns: list[str], chosen: list[str]):
    assert [spec.name for spec in select(SPECS, patterns)] == chosen


@pytest.mark.parametrize("name", ["", "a.b", "a b", "ä", "x" * 65, "a/b"])
def test_names_that_providers_refuse(name: str):
    with pytest.raises(Invalid):
        check_name(name)


def test_good_name():
    assert check_name("get_Weather-2") == "get_Weather-2"

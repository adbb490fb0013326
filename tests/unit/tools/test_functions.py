import asyncio
import threading
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from ripieno.domain.effects import EffectClass
from ripieno.domain.errors import Forbidden, Invalid, NotFound, Unavailable
from ripieno.domain.jsons import JsonObject
from ripieno.domain.tools import (
    Compensation,
    Reconciliation,
    Risk,
    ToolCall,
    ToolContext,
    ToolResult,
    ToolSpec,
    ToolStatus,
)
from ripieno.tools.failures import ToolFailed, ToolMissing
from ripieno.tools.functions import FunctionToolset, declared, text, tool

CONTEXT = ToolContext("acme", Path("/workspace"))


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Point(BaseModel):
    x: int
    y: int = 0


@tool(effect=EffectClass.READ, risk=Risk.MEDIUM, timeout=5, keywords=["people"])
async def population(
    context: ToolContext,
    city: str,
    schema: Annotated[int, Field(ge=1, description="a year")] = 2026,
    kind: Literal["all", "adult"] = "all",
    at: Point | None = None,
    *,
    colour: Colour = Colour.RED,
) -> JsonObject:
    """How many people live
    in a city.

    By the last census.

    Args:
        city (str): Its name,
            as on a map.
        schema: not this one, the annotation has its own
        at: where it is

    Returns:
        city: this is no parameter
    """
    return {"tenant": context.tenant, "city": city, "year": schema, "kind": kind, "at": at, "colour": colour.name}


def plain(n: int) -> int:
    return n


async def call(function: Any, arguments: JsonObject) -> ToolResult:
    toolset = FunctionToolset("t", [function])
    (spec,) = await toolset.list(CONTEXT)
    return await toolset.call(ToolCall("1", spec.name, arguments), CONTEXT)


async def spec_of(function: Any) -> ToolSpec:
    (spec,) = await FunctionToolset("t", [function]).list(CONTEXT)
    return spec


async def test_spec_comes_from_signature_docstring_and_declaration():
    spec = await spec_of(population)
    assert (spec.name, spec.wire_name, spec.description) == (
        "t.population",
        "t__population",
        "How many people live in a city.",
    )
    assert (spec.effect, spec.risk, spec.timeout, spec.keywords, spec.source) == (
        EffectClass.READ,
        Risk.MEDIUM,
        5,
        ("people",),
        "python",
    )
    properties = spec.input_schema["properties"]
    assert list(properties) == ["city", "schema", "kind", "at", "colour"]
    assert properties["city"] == {"type": "string", "description": "Its name, as on a map."}
    assert properties["schema"] == {"type": "integer", "minimum": 1, "default": 2026, "description": "a year"}
    assert properties["at"]["description"] == "where it is"
    assert spec.input_schema["required"] == ["city"]
    assert spec.input_schema["additionalProperties"] is False
    assert "title" not in spec.input_schema


async def test_arguments_are_coerced_and_the_context_is_injected():
    result = await call(population, {"city": "Oslo", "schema": "7", "at": {"x": 1}, "colour": "blue"})
    assert result.status is ToolStatus.OK
    assert result.data == {
        "tenant": "acme",
        "city": "Oslo",
        "year": 7,
        "kind": "all",
        "at": {"x": 1, "y": 0},
        "colour": "BLUE",
    }


async def test_arguments_that_do_not_fit_are_told_with_pointers():
    result = await call(population, {"city": 3, "at": {"x": "q"}, "wrong": 1, "kind": "child"})
    assert result.status is ToolStatus.INVALID_ARGUMENTS
    assert {problem["pointer"] for problem in result.data["problems"]} == {"/city", "/kind", "/at/x", "/wrong"}
    assert "/wrong" in result.text


async def test_function_without_declaration_counts_as_irreversible():
    assert (await spec_of(plain)).effect is EffectClass.IRREVERSIBLE


async def test_declared_function_stays_callable_and_names_can_be_given():
    @tool(name="sum", description="Adds.")
    def add(a: int, b: int) -> int:
        """Something else."""
        return a + b

    assert add(1, 2) == 3
    spec = await spec_of(add)
    assert (spec.name, spec.description) == ("t.sum", "Adds.")


async def test_blocking_functions_run_in_threads_and_async_ones_do_not():
    def where() -> str:
        return threading.current_thread().name

    async def here() -> str:
        return threading.current_thread().name

    assert (await call(where, {})).text.startswith("tools-t-")
    assert (await call(here, {})).text == threading.current_thread().name


async def test_methods_are_tools_and_declared_collects_them():
    class Atlas:
        def __init__(self, city: str) -> None:
            self.city = city

        @tool(effect=EffectClass.READ)
        async def capital(self) -> str:
            return self.city

        async def helper(self) -> str:
            return ""

    toolset = FunctionToolset("atlas", declared(Atlas("Oslo")))
    assert [spec.name for spec in await toolset.list(CONTEXT)] == ["atlas.capital"]
    assert (await toolset.call(ToolCall("1", "atlas.capital"), CONTEXT)).text == "Oslo"


async def test_declared_collects_from_modules():
    module = SimpleNamespace(population=population, plain=plain, number=3)
    assert declared(module) == [population]


@dataclass
class Pair:
    left: int
    right: float


@pytest.mark.parametrize(
    ("value", "words", "data"),
    [
        ("plain text", "plain text", None),
        (None, "Done.", None),
        (3, "3", 3),
        (True, "true", True),
        ([1, "é"], '[1, "é"]', [1, "é"]),
        (Point(x=1), '{"x": 1, "y": 0}', {"x": 1, "y": 0}),
        (Pair(1, float("nan")), '{"left": 1, "right": null}', {"left": 1, "right": None}),
        (Path("/x"), '"/x"', "/x"),
        (b"\x00\x01", "<2 bytes of binary data>", None),
    ],
)
async def test_whatever_a_function_returns_becomes_text_and_data(value: object, words: str, data: object):
    async def give() -> object:
        return value

    result = await call(give, {})
    assert (result.status, result.text, result.data) == (ToolStatus.OK, words, data)


async def test_result_is_taken_as_it_is():
    made = ToolResult(ToolStatus.ERROR, "no", hint="try again")

    async def give() -> ToolResult:
        return made

    assert await call(give, {}) is made


async def test_value_that_is_no_json_is_an_invalid_result():
    async def give() -> object:
        return object()

    assert (await call(give, {})).status is ToolStatus.INVALID_RESULT


def test_long_json_has_a_line_for_each_member():
    assert text({"a": "x" * 60, "b": {"c": "y" * 60}}) == (
        '{"a": "' + "x" * 60 + '",\n "b": {"c": "' + "y" * 60 + '"}}'
    )
    assert text(["x" * 60, "y" * 60]) == '["' + "x" * 60 + '",\n "' + "y" * 60 + '"]'
    assert text("x" * 200) == '"' + "x" * 200 + '"'


@pytest.mark.parametrize(
    ("error", "status", "words", "hint"),
    [
        (ToolFailed("no such city", hint="ask for another"), ToolStatus.ERROR, "no such city", "ask for another"),
        (ToolMissing("no dig", hint="apt-get install"), ToolStatus.UNAVAILABLE, "no dig", "apt-get install"),
        (Unavailable("away"), ToolStatus.UNAVAILABLE, "away", None),
        (Forbidden("not you"), ToolStatus.DENIED, "not you", None),
        (NotFound("city", "x"), ToolStatus.ERROR, "no city 'x'", None),
        (TimeoutError("secret"), ToolStatus.TIMEOUT, "t.fail waited too long for something it needs.", None),
        (ValueError("secret"), ToolStatus.ERROR, "t.fail failed (ValueError).", None),
        (StopIteration("secret"), ToolStatus.ERROR, "t.fail failed (RuntimeError).", None),
    ],
)
async def test_exceptions_become_results_without_internals(
    error: Exception, status: ToolStatus, words: str, hint: str | None
):
    @tool(effect=EffectClass.READ)
    def fail() -> None:
        raise error

    result = await call(fail, {})
    assert (result.status, result.text, result.hint) == (status, words, hint)


async def test_exit_in_a_tool_ends_the_call_alone():
    @tool(effect=EffectClass.READ)
    def fail() -> None:
        raise SystemExit(3)

    assert (await call(fail, {})).text == "t.fail failed (RuntimeError)."


async def test_an_exception_of_a_tool_that_changes_the_world_leaves_it_unknown_whether_it_did():
    def fail() -> None:
        raise ValueError("secret")

    result = await call(fail, {})
    assert result.status is ToolStatus.LOST
    assert result.text == "t.fail failed (ValueError). It is not known whether it took effect."


async def test_unknown_function():
    result = await FunctionToolset("t", [plain]).call(ToolCall("1", "t.other"), CONTEXT)
    assert result.status is ToolStatus.UNKNOWN_TOOL


async def test_cancellation_passes_through():
    started = asyncio.Event()

    async def hang() -> None:
        started.set()
        await asyncio.Event().wait()

    task = asyncio.ensure_future(call(hang, {}))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def _positional(a: int, /) -> int:
    return a


def _rest(*numbers: int) -> int:
    return len(numbers)


def _unknown(a: int) -> int:
    return a


_unknown.__annotations__["a"] = "Nowhere"


def _lock(a: threading.Lock) -> None:
    del a


@pytest.mark.parametrize("function", [_positional, _rest, _unknown, _lock])
def test_functions_that_cannot_be_tools_are_refused_by_name(function: Any):
    with pytest.raises(Invalid, match=function.__name__):
        FunctionToolset("t", [function])


def test_bad_and_double_names_are_refused():
    with pytest.raises(Invalid, match="two functions"):
        FunctionToolset("t", [plain, plain])
    with pytest.raises(Invalid, match="cannot be the name"):
        FunctionToolset("a.b", [plain])
    with pytest.raises(Invalid, match="cannot be the name"):
        FunctionToolset("t", [lambda: 1])


@pytest.mark.parametrize("blocking", [False, True])
async def test_function_whose_turn_comes_too_late_is_not_called(blocking: bool):
    called: list[str] = []

    async def pay() -> None:
        called.append("async")

    def pay_blocking() -> None:
        called.append("thread")

    toolset = FunctionToolset("t", [pay_blocking if blocking else pay])
    (spec,) = await toolset.list(CONTEXT)
    may = ToolContext("acme", Path(), may_begin=lambda: not called)
    first, second = [await toolset.call(ToolCall("1", spec.name), may) for _ in range(2)]
    assert (first.status, second.status) == (ToolStatus.OK, ToolStatus.NOT_SENT)
    assert len(called) == 1


async def test_function_asks_in_its_thread_not_before():
    hold, called = threading.Event(), list[int]()

    def wait(n: int) -> None:
        called.append(n)
        hold.wait(20)

    toolset = FunctionToolset("t", [wait], threads=1)
    late = ToolContext("acme", Path(), may_begin=lambda: not hold.is_set())
    first = asyncio.ensure_future(toolset.call(ToolCall("1", "t.wait", {"n": 1}), CONTEXT))
    while not called:
        await asyncio.sleep(0.002)
    queued = asyncio.ensure_future(toolset.call(ToolCall("2", "t.wait", {"n": 2}), late))
    await asyncio.sleep(0)
    hold.set()
    await first
    assert (await queued).status is ToolStatus.NOT_SENT
    assert called == [1]


async def test_what_undoes_a_call_and_what_tells_of_it_are_declared(tmp_path: Path):
    @tool(compensate="cancel", reconcile=Reconciliation("bank.find", {"key": "${{ key }}"}))
    def book(seat: int) -> str:
        """Book a seat."""
        return f"seat {seat}"

    @tool(compensate=Compensation("book", {"seat": "${{ arguments.seat }}"}), reconcile="find")
    def cancel(seat: int) -> str:
        """Give a seat back."""
        return f"no seat {seat}"

    first, second = await FunctionToolset("hall", [book, cancel]).list(ToolContext("t", tmp_path))
    assert first.compensate == Compensation("hall.cancel")
    assert first.reconcile == Reconciliation("bank.find", {"key": "${{ key }}"})
    assert second.compensate == Compensation("hall.book", {"seat": "${{ arguments.seat }}"})
    assert second.reconcile == Reconciliation("hall.find")

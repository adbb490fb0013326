"""Tools that are Python functions.

    @tool(effect=EffectClass.READ)
    async def population(city: str, year: int = 2026) -> int:
        ...

    FunctionToolset("atlas", [population])  # has one tool, `atlas.population`

The schema comes from the annotations; what the tool and its arguments mean comes from the docstring (its first
paragraph and its `Args:`). A parameter annotated `ToolContext` is filled in by the caller. Functions that are not
`async` run in threads.
"""

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict, TypeVar, Unpack, cast

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, from_json, to_json

from ripieno.domain.effects import EffectClass
from ripieno.domain.errors import Invalid, Problem
from ripieno.domain.jsons import Json, JsonObject
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
from ripieno.tools import signatures
from ripieno.tools.failures import failed, invalid_arguments, not_sent, unknown_tool
from ripieno.tools.names import check_name
from ripieno.tools.schemas import pointer
from ripieno.tools.signatures import Signature
from ripieno.tools.threads import Threads

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", Compensation, Reconciliation)

_MARK = "__ripieno_tool__"
_WIDE = 100  # characters of JSON that are still read well on one line


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What `@tool` says about a function; see there."""

    name: str | None = None
    description: str | None = None
    effect: EffectClass = EffectClass.IRREVERSIBLE
    risk: Risk = Risk.LOW
    timeout: float = 60.0
    keywords: Sequence[str] = ()
    compensate: Compensation | str | None = None
    reconcile: Reconciliation | str | None = None


class Declared(TypedDict, total=False):
    """The arguments of `@tool`."""

    name: str | None
    description: str | None
    effect: EffectClass
    risk: Risk
    timeout: float
    keywords: Sequence[str]
    compensate: Compensation | str | None
    reconcile: Reconciliation | str | None


def tool(**declared: Unpack[Declared]) -> Callable[[F], F]:
    """Declare a function or method as a tool; it stays callable as before.

    Name and description come from the function unless given. Say what `effect` it has: what is not declared counts as
    irreversible. `timeout` is in seconds; a function in a thread goes on after it, unheard. `keywords` are words by
    which a goal may mean this tool. `compensate` is the call that undoes one of this tool, `reconcile` the one that
    tells whether one happened; each may be the name of a tool, which then gets the same arguments.
    """

    def mark(function: F) -> F:
        function.__dict__[_MARK] = Declaration(**declared)
        return function

    return mark


def declared(source: object) -> list[Callable[..., Any]]:
    """All functions of a module, or methods of an object, that `@tool` declares, in order of their names."""
    members = [getattr(source, name) for name in dir(source) if not name.startswith("__")]
    return [member for member in members if isinstance(getattr(member, _MARK, None), Declaration)]


@dataclass(frozen=True, slots=True)
class _Function:
    spec: ToolSpec
    function: Callable[..., Any]
    signature: Signature
    is_async: bool


class FunctionToolset:
    """A toolset of Python functions; each is called `name.function`.

    Functions without `@tool` are taken too, as irreversible. Blocking ones share `threads` threads.

    Raises:
        Invalid: A function cannot be a tool, or two have the same name.
    """

    def __init__(
        self, name: str, functions: Sequence[Callable[..., Any]], *, source: str = "python", threads: int = 16
    ) -> None:
        self._functions: dict[str, _Function] = {}
        self._threads = Threads(threads, f"tools-{name}")
        for function in functions:
            made = _function(check_name(name), function, source)
            if made.spec.name in self._functions:
                raise Invalid(f"two functions of toolset {name} are called {made.spec.name}")
            self._functions[made.spec.name] = made
        self._specs = tuple(made.spec for made in self._functions.values())

    async def list(self, context: ToolContext) -> Sequence[ToolSpec]:
        del context
        return self._specs

    async def call(self, call: ToolCall, context: ToolContext) -> ToolResult:
        made = self._functions.get(call.name)
        if made is None:
            return unknown_tool(call.name)
        try:
            bound = made.signature.bind(call.arguments, context)
        except ValidationError as error:
            return invalid_arguments(call.name, _problems(error))
        try:
            if made.is_async:
                return result(await made.function(**bound)) if context.may_begin() else not_sent(call.name)
            return result(await self._threads.run(lambda: _in_time(made, bound, context)))
        except Exception as error:  # noqa: BLE001 - whatever a tool does wrong is a result
            return failed(call.name, error, made.spec.effect)


def _in_time(made: _Function, bound: Mapping[str, Any], context: ToolContext) -> object:
    """Call it, in a thread for which it may have waited."""
    return made.function(**bound) if context.may_begin() else not_sent(made.spec.name)


def result(value: object) -> ToolResult:
    """What a function returned, as a result: text as it is, anything else as JSON text and data."""
    match value:
        case ToolResult():
            return value
        case str():
            return ToolResult(ToolStatus.OK, value)
        case bytes() | bytearray():
            return ToolResult(ToolStatus.OK, f"<{len(value)} bytes of binary data>")
        case None:
            return ToolResult(ToolStatus.OK, "Done.")
        case _:
            pass
    try:
        data: Json = from_json(to_json(value, inf_nan_mode="null"))
    except (PydanticSerializationError, ValueError):
        kind = type(value).__name__
        return ToolResult(ToolStatus.INVALID_RESULT, f"The tool returned something that is no JSON ({kind}).")
    return ToolResult(ToolStatus.OK, text(data), data=data)


def text(data: Json) -> str:
    """JSON for a reader who pays by the token: short values on one line, long ones with one member on each."""
    line = _dumped(data)
    if len(line) <= _WIDE:
        return line
    match data:
        case dict():
            members = cast("JsonObject", data)
            return "{" + ",\n ".join(f"{_dumped(key)}: {_dumped(member)}" for key, member in members.items()) + "}"
        case list():
            return "[" + ",\n ".join(map(_dumped, cast("list[Json]", data))) + "]"
        case _:
            return line


def _dumped(data: Json) -> str:
    return json.dumps(data, ensure_ascii=False)


def _function(toolset: str, function: Callable[..., Any], source: str) -> _Function:
    declaration: Declaration = getattr(function, _MARK, None) or Declaration()
    name = check_name(declaration.name or getattr(function, "__name__", ""))
    signature = signatures.read(function)
    described = declaration.description or signatures.description(inspect.getdoc(function) or "")
    spec = ToolSpec(
        f"{toolset}.{name}",
        described,
        signature.input_schema,
        effect=declaration.effect,
        risk=declaration.risk,
        source=source,
        timeout=declaration.timeout,
        keywords=tuple(declaration.keywords),
        compensate=_compensation(declaration, toolset),
        reconcile=_reconciliation(declaration, toolset),
    )
    return _Function(spec, function, signature, inspect.iscoroutinefunction(function))


def _compensation(declaration: Declaration, toolset: str) -> Compensation | None:
    call = declaration.compensate
    return at_home(Compensation(call) if isinstance(call, str) else call, toolset) if call else None


def _reconciliation(declaration: Declaration, toolset: str) -> Reconciliation | None:
    call = declaration.reconcile
    return at_home(Reconciliation(call) if isinstance(call, str) else call, toolset) if call else None


def at_home(call: C, toolset: str) -> C:
    """The same with the whole name of its tool: one without a dot is of the same toolset."""
    return call if "." in call.tool else replace(call, tool=f"{toolset}.{call.tool}")


def _problems(error: ValidationError) -> list[Problem]:
    return [Problem(pointer(item["loc"]), item["msg"]) for item in error.errors(include_url=False, include_input=False)]

"""Tools that answer from a script and remember what they were asked: the way to test agents without the world.

    tools = RecordingTools({
        "math.calculate": "408",
        "shop.pay": Scripted("paid", effect=EffectClass.IRREVERSIBLE, risk=Risk.HIGH),
        "web.fetch": [ToolMissing("the site is down"), "<html>…"],
        "echo.say": lambda arguments: arguments["text"],
    })

What a tool answers is text, any other JSON value, a whole `ToolResult`, an exception to fail with, or a function of
the arguments (which may be `async`) that answers one of these. A list is answered one by one; its last element
again and again.

`tools.calls` has the calls in the order in which they began, `tools.arguments("shop.pay")` those of one tool.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Any, TypeAlias, cast

from ripieno.clock import SystemClock
from ripieno.domain.effects import EffectClass
from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.tools import Compensation, Reconciliation, Risk, ToolCall, ToolContext, ToolResult, ToolSpec
from ripieno.ports import Clock
from ripieno.tools.failures import failed, not_sent, unknown_tool
from ripieno.tools.functions import result

Answer: TypeAlias = Json | ToolResult | Exception | Callable[[JsonObject], Any]

ANYTHING: JsonObject = {"type": "object"}


@dataclass(frozen=True, slots=True)
class Scripted:
    """A tool of the script with all that can be told about it. `latency` is in seconds, before each answer."""

    answer: Answer = "ok"
    effect: EffectClass = EffectClass.READ
    risk: Risk = Risk.LOW
    latency: float = 0.0
    description: str = ""
    input_schema: JsonObject = field(default_factory=lambda: ANYTHING)
    output_schema: JsonObject | None = None
    timeout: float = 60.0
    keywords: tuple[str, ...] = ()
    compensate: Compensation | None = None
    reconcile: Reconciliation | None = None


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """One call that was made, and on whose behalf."""

    call: ToolCall
    context: ToolContext


class RecordingTools:
    """`ports.Toolset` that plays a script. `clock` is what `latency` passes on."""

    def __init__(self, script: Mapping[str, Scripted | Answer], clock: Clock | None = None) -> None:
        self.calls: list[RecordedCall] = []
        self._tools = {name: line if isinstance(line, Scripted) else Scripted(line) for name, line in script.items()}
        self._clock = clock or SystemClock()
        self._asked: Counter[str] = Counter()
        self._specs = tuple(_spec(name, line) for name, line in self._tools.items())

    async def list(self, context: ToolContext) -> Sequence[ToolSpec]:
        del context
        return self._specs

    async def call(self, call: ToolCall, context: ToolContext) -> ToolResult:
        line = self._tools.get(call.name)
        if line is None:
            return unknown_tool(call.name)
        if not context.may_begin():
            return not_sent(call.name)
        self.calls.append(RecordedCall(call, context))
        turn = self._asked[call.name]
        self._asked[call.name] += 1
        if line.latency:
            await self._clock.sleep(line.latency)
        try:
            return result(await _answer(line.answer, turn, call.arguments))
        except Exception as error:  # noqa: BLE001 - scripted failures are results, as those of real tools
            return failed(call.name, error, line.effect)

    def arguments(self, name: str) -> Sequence[JsonObject]:
        """The arguments of each call of one tool so far."""
        return [recorded.call.arguments for recorded in self.calls if recorded.call.name == name]


async def _answer(answer: Answer, turn: int, arguments: JsonObject) -> object:
    if isinstance(answer, list):
        lines = cast("list[Answer]", answer)
        answer = lines[min(turn, len(lines) - 1)]
    if callable(answer):
        answer = answer(arguments)
        if isawaitable(answer):
            answer = await answer
    if isinstance(answer, Exception):
        raise answer
    return answer


def _spec(name: str, line: Scripted) -> ToolSpec:
    return ToolSpec(
        name,
        line.description,
        line.input_schema,
        output_schema=line.output_schema,
        effect=line.effect,
        risk=line.risk,
        source="scripted",
        timeout=line.timeout,
        keywords=line.keywords,
        compensate=line.compensate,
        reconcile=line.reconcile,
    )

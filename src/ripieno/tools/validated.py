"""The ring that checks what goes into a tool and what comes out of it."""

from collections.abc import Sequence

from ripieno.domain.errors import Invalid, Problem
from ripieno.domain.tools import ToolCall, ToolContext, ToolResult, ToolSpec, ToolStatus
from ripieno.ports import SchemaCheck, Toolset
from ripieno.tools.failures import invalid_arguments
from ripieno.tools.specs import SpecIndex

_QUOTED = 200  # characters of malformed arguments that are shown to the model again


class ValidatedToolset:
    """Checks arguments before the call and structured results after it, against the schemas of the tool."""

    def __init__(self, inner: Toolset, check: SchemaCheck) -> None:
        self._inner = inner
        self._check = check
        self._specs = SpecIndex(inner)

    async def list(self, context: ToolContext) -> Sequence[ToolSpec]:
        return await self._inner.list(context)

    async def call(self, call: ToolCall, context: ToolContext) -> ToolResult:
        if call.malformed is not None:
            problem = Problem("", f"they are no JSON object: {call.malformed[:_QUOTED]}")
            return invalid_arguments(call.name, [problem])
        spec = await self._specs.find(call.name, context)
        if spec is None:
            return await self._inner.call(call, context)
        try:
            problems = self._check(spec.input_schema, call.arguments)
        except Invalid as error:
            return ToolResult(ToolStatus.UNAVAILABLE, f"{call.name} cannot be called: {error.detail}")
        if problems:
            return invalid_arguments(call.name, problems)
        return self._checked(spec, await self._inner.call(call, context))

    def _checked(self, spec: ToolSpec, result: ToolResult) -> ToolResult:
        if spec.output_schema is None or not result.ok:
            return result
        try:
            problems = self._check(spec.output_schema, result.data)
        except Invalid as error:
            problems = error.problems or [Problem("", error.detail)]
        if not problems:
            return result
        lines = [f"- {problem.pointer or '(result)'}: {problem.detail}" for problem in problems]
        text = f"{spec.name} broke its own output schema, so its result cannot be trusted:\n" + "\n".join(lines)
        return ToolResult(ToolStatus.INVALID_RESULT, text)

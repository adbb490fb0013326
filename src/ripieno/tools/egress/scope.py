"""For which call a request leaves: known where the request is made, and forgotten when the call ends.

It is a context variable, so that calls which run at the same time do not see each other's. A task that a call starts
and leaves behind keeps the variable but not the rights: the scope is closed with the call.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from ripieno.domain.tools import ToolCall, ToolContext, ToolResult, ToolSpec
from ripieno.ports import Toolset


@dataclass(slots=True)
class Scope:
    """A call: its tool, tenant and run."""

    tool: str = ""
    tenant: str = ""
    run_id: str = ""
    open: bool = True


NOBODY = Scope(open=False)
"""No call. Only rules about every tool and tenant are about it."""

PROOF = "(proof)"
"""The tool of requests that only prove that the guard is there; nobody is told of them."""

_CURRENT: ContextVar[Scope] = ContextVar("ripieno_egress_scope", default=NOBODY)


def current() -> Scope:
    """The call that this request belongs to; `NOBODY` when there is none, or when it has ended."""
    scope = _CURRENT.get()
    return scope if scope.open else NOBODY


@contextmanager
def scoped(scope: Scope) -> Generator[None]:
    """Requests of the block belong to this call."""
    token = _CURRENT.set(scope)
    try:
        yield
    finally:
        scope.open = False
        _CURRENT.reset(token)


class ScopedToolset:
    """The ring that tells the egress guard for which call a request is."""

    def __init__(self, inner: Toolset) -> None:
        self._inner = inner

    async def list(self, context: ToolContext) -> Sequence[ToolSpec]:
        return await self._inner.list(context)

    async def call(self, call: ToolCall, context: ToolContext) -> ToolResult:
        with scoped(Scope(call.name, context.tenant, context.run_id)):
            return await self._inner.call(call, context)

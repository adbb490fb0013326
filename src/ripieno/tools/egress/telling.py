"""Writes down what the guard decided: a line in the log for each, an event for what was denied."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import asdict
from typing import TypeAlias

from ripieno.domain.jsons import JsonObject
from ripieno.tools.egress.policy import EgressDecision
from ripieno.tools.egress.scope import PROOF, Scope, current

Keep: TypeAlias = Callable[[str, str, JsonObject], Awaitable[None]]
"""Keeps an event of a tenant and run, either of which may be empty."""

_WAITING = 1000

_log = logging.getLogger(__name__)


class Decisions:
    """Takes decisions as they fall. Events are written by a task of their own, so that no request waits for them."""

    def __init__(self, keep: Keep, *, every: bool = False) -> None:
        self._keep = keep
        self._every = every
        self._waiting: asyncio.Queue[tuple[Scope, JsonObject]] = asyncio.Queue(_WAITING)

    def __call__(self, decision: EgressDecision) -> None:
        scope = current()
        if scope.tool == PROOF:
            return
        body: JsonObject = {**asdict(decision), "tool": scope.tool, "tenant": scope.tenant, "run_id": scope.run_id}
        _log.log(
            logging.INFO if decision.allowed else logging.WARNING,
            "egress allowed" if decision.allowed else "egress denied",
            extra={f"egress_{name}": value for name, value in body.items()},
        )
        if decision.allowed and not self._every:
            return
        try:
            self._waiting.put_nowait((scope, body))
        except asyncio.QueueFull:
            _log.error("an egress decision is in the log only: too many wait to be written")

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncGenerator[None]:
        """Write events for as long as the block lasts, and those that are left at its end."""
        async with asyncio.TaskGroup() as group:
            writing = group.create_task(self._write_for_ever(), name="egress decisions")
            try:
                yield
            finally:
                await self._waiting.join()
                writing.cancel()

    async def _write_for_ever(self) -> None:
        while True:
            scope, body = await self._waiting.get()
            try:
                await self._keep(scope.tenant, scope.run_id, body)
            except Exception:  # noqa: BLE001 - the next one may be written, and requests go on
                _log.exception("an egress decision is in the log only: it could not be written")
            finally:
                self._waiting.task_done()

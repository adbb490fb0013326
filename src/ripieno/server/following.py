"""What a stream of a run consists of: its events, the classic status stream, and token deltas."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeAlias

from ripieno.domain.entries import ENDINGS, Entry
from ripieno.domain.jsons import JsonObject
from ripieno.domain.runs import TERMINAL, Run
from ripieno.engine.core import projection_events
from ripieno.engine.core.projection_events import Progress
from ripieno.server.services import Services
from ripieno.server.shapes.runs import TaskView, output_of

Tell: TypeAlias = Callable[[str, JsonObject, int | None], Awaitable[None]]
"""Takes an event's name, its data, and its place in the journal where it has one."""


async def events(services: Services, run: Run, after: int, tell: Tell, *, tokens: bool = False) -> None:
    """Tell the run's events after `after`, as they come, then `end`."""

    async def follow() -> None:
        async for entry in entries(services, run, after):
            await tell(entry.type.value, projection_events.event(entry), entry.seq)
        await tell("end", await _ending(services, run), None)

    await _with_tokens(services, run, tell, follow, tokens=tokens)


async def classic(services: Services, run: Run, after: int, tell: Tell) -> None:
    """Tell `status`, `step`, `token` and `answer` as they come, then `end`.

    What is already known after `after` is needed to know the status, so the journal is read from its start.
    """
    progress = Progress()

    async def follow() -> None:
        if after == 0:
            await tell("status", {"run_id": run.id, "status": progress.status.value}, None)
        async for entry in entries(services, run, 0):
            status, task = progress.see(entry)
            if entry.seq > after:
                if status is not None and entry.type not in ENDINGS:
                    await tell("status", {"run_id": run.id, "status": status.value}, entry.seq)
                if task is not None:
                    await tell("step", TaskView.of(task).model_dump(mode="json"), entry.seq)
        ending = await _ending(services, run)
        await tell("status", {"run_id": run.id, "status": ending["status"]}, None)
        await tell("answer", {key: ending[key] for key in ("run_id", "answer", "output")}, None)
        await tell("end", ending, None)

    await _with_tokens(services, run, tell, follow, tokens=True)


async def entries(services: Services, run: Run, after: int) -> AsyncIterator[Entry]:
    """The run's entries after `after`, as they come; ends after the last one, also when that lies before `after`."""
    if run.status in TERMINAL and run.last_seq <= after:
        return
    async with aclosing(services.engine.watch(run.tenant, run.id, after)) as watched:
        async for entry in watched:
            yield entry


async def _with_tokens(
    services: Services, run: Run, tell: Tell, follow: Callable[[], Awaitable[None]], *, tokens: bool
) -> None:
    if not tokens or run.status in TERMINAL:
        await follow()
        return
    async with services.engine.deltas(run.id) as pieces, asyncio.TaskGroup() as group:
        typing = group.create_task(_type(pieces, run.id, tell))
        await follow()
        typing.cancel()


async def _type(pieces: AsyncIterator[str], run_id: str, tell: Tell) -> None:
    async for piece in pieces:
        await tell("token", {"run_id": run_id, "text": piece}, None)


async def _ending(services: Services, run: Run) -> JsonObject:
    ended = await services.records.run(run.tenant, run.id)
    result = ended.result
    return {
        "run_id": run.id,
        "status": ended.status.value,
        "exit_reason": ended.exit_reason.value if ended.exit_reason else None,
        "answer": result.answer if result else None,
        "output": output_of(result),
    }

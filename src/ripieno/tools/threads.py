"""Threads for tools that block.

The standard executor joins its threads when the program ends, so one stuck tool would keep a drained server alive.
These are daemon threads: whatever still runs in them at the end is dropped.
"""

import asyncio
import contextlib
import contextvars
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Job:
    call: Callable[[], Any]
    context: contextvars.Context
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]


class Threads:
    """Runs blocking calls in at most `limit` threads, made as they are needed.

    A thread cannot be killed: when the caller is cancelled the call goes on to its end in the background and keeps its
    thread busy until then. A call that is still in the queue when its caller is cancelled is never begun.
    """

    def __init__(self, limit: int, name: str = "tools") -> None:
        self._limit = limit
        self._name = name
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0
        self._count = 0

    async def run(self, call: Callable[[], T]) -> T:
        """Call it in a thread, in the context of the caller; answers or raises as it does."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        with self._lock:
            if self._idle > 0:
                self._idle -= 1
            elif self._count < self._limit:
                self._count += 1
                threading.Thread(target=self._work, name=f"{self._name}-{self._count}", daemon=True).start()
        self._jobs.put(_Job(call, contextvars.copy_context(), loop, future))
        return await future

    def _work(self) -> None:
        while True:
            _perform(self._jobs.get())
            with self._lock:
                self._idle += 1


def _perform(job: _Job) -> None:
    if job.future.cancelled():
        return
    answer, error = None, None
    try:
        answer = job.context.run(job.call)
    except BaseException as raised:  # noqa: BLE001 - carried over to the caller, `sys.exit()` too
        error = raised
    with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
        job.loop.call_soon_threadsafe(_settle, job.future, answer, error)


def _settle(future: asyncio.Future[Any], answer: object, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(answer)
    elif isinstance(error, Exception) and not isinstance(error, StopIteration):
        future.set_exception(error)
    else:  # nothing that a future can hold, or that should end the program
        future.set_exception(RuntimeError(f"the call raised {type(error).__name__}"))

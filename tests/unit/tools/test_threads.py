import asyncio
import contextvars
import threading

import pytest

from ripieno.tools.threads import Threads


async def test_answers_raises_and_sees_the_context_of_the_caller():
    variable = contextvars.ContextVar("variable", default="unset")
    variable.set("set")
    threads = Threads(2)
    assert await threads.run(variable.get) == "set"
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 / 0)


async def test_no_more_threads_than_allowed_and_idle_ones_are_used_again():
    threads, gate = Threads(2, "limited"), threading.Event()
    names: set[str] = set()
    inside = threading.Semaphore(0)

    def work() -> None:
        names.add(threading.current_thread().name)
        inside.release()
        gate.wait()

    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(threads.run(work))
        await asyncio.get_running_loop().run_in_executor(None, lambda: [inside.acquire() for _ in range(2)])
        assert len(names) == 2
        gate.set()
    assert names == {"limited-1", "limited-2"}


async def test_cancelled_caller_leaves_its_thread_behind_and_queued_calls_are_never_begun():
    threads, gate, entered = Threads(1), threading.Event(), threading.Event()
    begun: list[str] = []

    def first() -> None:
        begun.append("first")
        entered.set()
        gate.wait()

    running = asyncio.ensure_future(threads.run(first))
    await asyncio.get_running_loop().run_in_executor(None, entered.wait)
    queued = asyncio.ensure_future(threads.run(lambda: begun.append("queued")))
    done, _ = await asyncio.wait({running, queued}, timeout=0)
    assert not done
    running.cancel()
    queued.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    gate.set()
    assert await threads.run(lambda: "next") == "next"
    assert begun == ["first"]


def test_threads_do_not_keep_the_program_alive():
    threads, gate = Threads(1, "stuck"), threading.Event()

    async def leave() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(threads.run(gate.wait), 0.01)

    asyncio.run(leave())
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "stuck-1"]
    assert thread.daemon
    gate.set()
    thread.join(0.1)

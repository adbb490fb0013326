"""A process that serves, works or schedules until it is told to stop."""

import asyncio
import gc
import signal
from collections.abc import Callable, Coroutine

from ripieno import __version__
from ripieno.bootstrap import Platform, opened, serving_platform
from ripieno.clock import SystemClock
from ripieno.governance.access import refuse_insecure
from ripieno.server.serving import bind
from ripieno.server.waiting import closed_door
from ripieno.settings import Settings


async def serve(settings: Settings, ready: Callable[[str, Platform], Coroutine[None, None, None]]) -> None:
    """Serve until SIGTERM or SIGINT, then drain; a second signal ends the process at once. Raises as `opened`.

    While a database of its own server is away, the door answers 503.
    """
    stop = _asked_to_stop()
    refuse_insecure(settings.host, settings.auth.mode, has_key=settings.auth.has_key)
    with bind(settings.host, settings.port) as listener:
        if settings.database_url is not None:
            async with closed_door(listener, __version__, settings.default_model, SystemClock()):
                there = await _database_answers(settings.database_url.get_secret_value(), stop)
            if not there:
                return
        async with serving_platform(settings, listener=listener) as (url, platform):
            gc.freeze()  # what is loaded by now stays; looking through it again and again took a tenth of the time
            await ready(url, platform)
            await stop.wait()


async def work(settings: Settings, ready: Callable[[Platform], Coroutine[None, None, None]]) -> None:
    """The same for a process that only works or schedules: it opens no door. Raises as `opened`."""
    stop = _asked_to_stop()
    url = settings.database_url
    if url is not None and not await _database_answers(url.get_secret_value(), stop):
        return
    async with opened(settings) as platform:
        gc.freeze()  # what is loaded by now stays; looking through it again and again took a tenth of the time
        await ready(platform)
        await stop.wait()


async def _database_answers(url: str, stop: asyncio.Event) -> bool:
    """Wait for a database; false when somebody asked to stop before it came. Raises as `opened`."""
    try:
        from ripieno.store.postgres.opening import wait_for  # noqa: PLC0415 - an extra
    except ImportError:
        return True  # whoever opens it says so
    async with asyncio.TaskGroup() as group:
        coming = group.create_task(wait_for(url), name="database")
        stopping = group.create_task(stop.wait(), name="stop")
        await asyncio.wait([coming, stopping], return_when=asyncio.FIRST_COMPLETED)
        there = coming.done()
        coming.cancel()
        stopping.cancel()
    return there


def _asked_to_stop() -> asyncio.Event:
    """Set by the first SIGTERM or SIGINT; the second has its usual effect again."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    return stop

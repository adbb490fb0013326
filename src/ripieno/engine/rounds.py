"""Chores that come round every second, each whatever became of the others."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from ripieno.domain.errors import Unavailable
from ripieno.ports import Clock

log = logging.getLogger(__name__)

SECONDS = 1.0

Chore = Callable[[], Awaitable[object]]


async def make_rounds(chores: Mapping[str, Chore], clock: Clock) -> None:
    """Do the chores, by name, until cancelled."""
    async with asyncio.TaskGroup() as group:
        for name, chore in chores.items():
            group.create_task(_again_and_again(name, chore, clock), name=name)


async def _again_and_again(name: str, chore: Chore, clock: Clock) -> None:
    while True:
        try:
            await chore()
        except Unavailable as error:
            log.warning("%s must wait", name, extra={"reason": error.detail})
        except Exception:
            log.exception("%s hit a defect", name)
        await clock.sleep(SECONDS)

"""Says every second how a worker stands, so that operators see who has how much to do and who drains."""

import asyncio
import logging

from ripieno.domain.errors import StoreBusy
from ripieno.engine.worker import Worker
from ripieno.ports import Clock, Workers

log = logging.getLogger(__name__)

EVERY_SECONDS = 1.0


async def work_and_report(worker: Worker, workers: Workers, clock: Clock) -> None:
    """Work until stopped and drained."""
    async with asyncio.TaskGroup() as group:
        reports = group.create_task(_keep_reporting(worker, workers, clock))
        await worker.run()
        reports.cancel()


async def _keep_reporting(worker: Worker, workers: Workers, clock: Clock) -> None:
    while True:
        try:
            await workers.report(worker.load)
        except StoreBusy as error:
            log.warning("cannot report the load", extra={"reason": error.detail})
        await clock.sleep(EVERY_SECONDS)

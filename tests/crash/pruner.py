"""A process that prunes everything in a data folder, until it is done or killed."""

import asyncio
import sys
from pathlib import Path

from ripieno.clock import SystemClock
from ripieno.domain.principals import SYSTEM
from ripieno.domain.retention import Kept
from ripieno.store.dispatch_local import LocalDispatch
from ripieno.store.embedded import open_store
from ripieno.store.retention import Retention


async def main(folder: Path) -> None:
    clock = SystemClock()
    store = await open_store(folder, clock, LocalDispatch())
    retention = Retention(store.frames, clock, Kept(archive=True), folder / "archive")
    await retention.turn()
    while (await retention.prune(SYSTEM, 0)).runs:
        pass
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))

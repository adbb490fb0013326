"""Who works, where that is this process alone."""

from collections.abc import Sequence

from ripieno.domain.workers import WorkerLoad


class LocalWorkers:
    """`ports.Workers` in memory."""

    def __init__(self) -> None:
        self._loads: dict[str, WorkerLoad] = {}

    async def report(self, load: WorkerLoad) -> None:
        self._loads[load.worker_id] = load

    async def alive(self) -> Sequence[WorkerLoad]:
        return sorted(self._loads.values(), key=lambda load: load.worker_id)

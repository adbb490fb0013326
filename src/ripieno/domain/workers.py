"""The workers of an installation, as they report themselves."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WorkerLoad:
    """How many runs a worker has under way, of how many at most. A draining one takes no more."""

    worker_id: str
    slots: int
    busy: int
    draining: bool = False

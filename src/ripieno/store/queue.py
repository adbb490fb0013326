"""How every store orders the queue, which runs in it can be claimed, and which journals it can read."""

from ripieno.domain.runs import Lane

FORMAT = 1
"""The shape of a run's journal. A worker claims only what it can read."""

READY = "status = 'queued' AND NOT hold AND after_id IS NULL AND deaths = 0"
"""The rows that can be claimed, in the words of the indexes that hold exactly these."""

SUSPECT = "status = 'queued' AND NOT hold AND after_id IS NULL AND deaths > 0"
"""The same for runs that may have killed their worker, and are claimed alone."""

_RANKS: dict[str, int] = {lane: rank for rank, lane in enumerate(Lane)}


def lane_rank(lane: str) -> int:
    """A lane's turn; one that is not known counts as `default`."""
    return _RANKS.get(lane, _RANKS[Lane.DEFAULT])

"""How every store orders the queue, and which journals it can read."""

LANES = {"interactive": 0, "default": 1, "batch": 2}
"""The order in which lanes are served."""

FORMAT = 1
"""The shape of a run's journal. A worker claims only what it can read."""


def lane_rank(lane: str) -> int:
    """A lane's turn; one that is not known counts as `default`."""
    return LANES.get(lane, LANES["default"])

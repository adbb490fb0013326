"""The legs of this process: for each run that it claimed, under which epoch, and how far the journal has come."""

from dataclasses import dataclass

from ripieno.domain.errors import LegLost
from ripieno.domain.runs import Run


@dataclass(slots=True)
class Leg:
    """One claim. `last_seq` is the last entry that is known to be committed: nobody else may write.

    `heard` is how far its inbox went when the leg was last told of it.
    """

    run_id: str
    epoch: int
    last_seq: int
    heard: int


class Legs:
    """All of them. What is not here is nobody's in this process, whatever the database still says."""

    def __init__(self) -> None:
        self._legs: dict[str, Leg] = {}
        self.abandoned: dict[str, int] = {}
        """Epochs of runs that this process still owns and will not go on with: to be given back."""

    def begin(self, run: Run) -> None:
        """A run was claimed."""
        self._legs[run.id] = Leg(run.id, run.epoch, run.last_seq, run.inbox_seq)

    def get(self, run_id: str, epoch: int) -> Leg:
        """The leg with this epoch. Raises `LegLost`."""
        leg = self._legs.get(run_id)
        if leg is None or leg.epoch != epoch:
            raise lost(run_id, epoch)
        return leg

    def has(self, run_id: str, epoch: int) -> bool:
        """Whether there is a leg with this epoch."""
        leg = self._legs.get(run_id)
        return leg is not None and leg.epoch == epoch

    def end(self, run_id: str, epoch: int) -> None:
        """The leg is over: parked, finished, released or lost."""
        if self.has(run_id, epoch):
            del self._legs[run_id]

    def abandon(self, run_id: str, epoch: int) -> None:
        """Go no further with a run that is still owned; upkeep gives it back."""
        self.end(run_id, epoch)
        self.abandoned[run_id] = epoch

    def drop(self) -> None:
        """The worker was declared dead: nothing is owned any more."""
        self._legs.clear()
        self.abandoned.clear()

    def all(self) -> list[Leg]:
        """Every leg."""
        return list(self._legs.values())

    def told(self, run_id: str, epoch: int, heard: int) -> None:
        """A leg was told of its inbox up to this number."""
        if self.has(run_id, epoch):
            self._legs[run_id].heard = heard

    def ids(self) -> list[str]:
        """The runs that have a leg here."""
        return list(self._legs)


def lost(run_id: str, epoch: int) -> LegLost:
    """The error for a leg whose epoch is over."""
    return LegLost(f"epoch {epoch} of {run_id} is over")

"""What a run has used so far, against its limits."""

from dataclasses import dataclass, field

from ripieno.domain.budgets import OnExceeded
from ripieno.domain.jsons import JsonObject
from ripieno.domain.runs import ExitReason, Limits, RunError
from ripieno.domain.usage import NOTHING_USED, Usage
from ripieno.engine.core.spending import OWN_LIMIT


@dataclass(slots=True)
class Tally:
    """Counts from outcomes alone, so a replay counts the same. `busy_ms` leaves waiting for people out."""

    limits: Limits
    usage: Usage = NOTHING_USED
    effects: int = 0
    busy_ms: float = field(default=0.0)

    @property
    def seconds_left(self) -> float:
        """How much working time is left."""
        return max(0.0, self.limits.seconds - self.busy_ms / 1000)

    def left(self) -> JsonObject:
        """What may still be used, as limits for a child. Of what budgets limit it draws on this run's own."""
        return {"max_turns": self.limits.max_turns, "seconds": self.seconds_left}

    def exceeded(self) -> tuple[ExitReason, RunError] | None:
        """The first limit that is broken, if any.

        Whoever asks for more when a budget is spent is stopped by the budget alone, which knows what a person added.
        """
        if self.limits.on_exceeded is OnExceeded.STOP and (spent := self._spent()):
            return spent
        if not self.seconds_left:
            detail = f"the run worked for its {self.limits.seconds:g} seconds; {OWN_LIMIT}"
            return ExitReason.DEADLINE, RunError("deadline", detail)
        return None

    def _spent(self) -> tuple[ExitReason, RunError] | None:
        limits, usage = self.limits, self.usage
        if limits.tokens is not None and usage.tokens > limits.tokens:
            return _budget(f"{usage.tokens} tokens used, the limit is {limits.tokens}")
        if limits.usd is not None and usage.cost_usd > limits.usd:
            return _budget(f"{usage.cost_usd:.4f} USD spent, the limit is {limits.usd}")
        if limits.effects is not None and self.effects > limits.effects:
            return _budget(f"{self.effects} effects wanted, the limit is {limits.effects}")
        return None


def _budget(detail: str) -> tuple[ExitReason, RunError]:
    return ExitReason.BUDGET_EXCEEDED, RunError("budget_exceeded", f"{detail}; {OWN_LIMIT}")

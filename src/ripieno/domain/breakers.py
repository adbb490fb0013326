"""Circuit breakers: when something remote has failed too often in a row, it is left alone for a while.

Pure rules over a state; who keeps the state, and for how many processes, is the business of `models.broken.Breakers`.
*Closed* lets every call pass. *Open* lets none pass until its rest is over. Then it is *half open*: one call, the
probe, may try; what comes of it closes the breaker or opens it again for twice as long.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum


class Standing(StrEnum):
    """How a breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """Open after so many failures in a row; rest so long at first and at most; a probe has so long to answer."""

    failures: int = 5
    first_rest: timedelta = timedelta(seconds=10)
    longest_rest: timedelta = timedelta(minutes=5)
    probe: timedelta = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Breaker:
    """One breaker. `openings` counts how often it opened since it was last closed; `probe_until` is set by a probe."""

    key: str
    failures: int = 0
    openings: int = 0
    rests_until: datetime | None = None
    probe_until: datetime | None = None

    def standing(self, now: datetime) -> Standing:
        """How it stands now."""
        if self.rests_until is None:
            return Standing.CLOSED
        return Standing.OPEN if now < self.rests_until else Standing.HALF_OPEN

    def may_probe(self, now: datetime) -> bool:
        """Whether it is half open and nobody is trying."""
        return self.standing(now) is Standing.HALF_OPEN and (self.probe_until is None or self.probe_until <= now)

    def wait(self, now: datetime) -> float:
        """Seconds until a call may be let through, as far as is known now."""
        until = self.rests_until if self.standing(now) is Standing.OPEN else self.probe_until
        return max(0.0, (until - now).total_seconds()) if until is not None else 0.0

    def probing(self, now: datetime, rules: BreakerRules) -> "Breaker":
        """With a probe under way."""
        return replace(self, probe_until=now + rules.probe)

    def after_success(self) -> "Breaker":
        """Closed."""
        return Breaker(self.key)

    def after_failure(self, now: datetime, rules: BreakerRules) -> "Breaker":
        """One failure more; open when they are too many, or when the probe was one of them."""
        failures = self.failures + 1
        if self.standing(now) is Standing.OPEN:
            return replace(self, failures=failures)  # a call that left before it opened
        if self.rests_until is None and failures < rules.failures:
            return replace(self, failures=failures)
        rest = min(rules.first_rest * 2**self.openings, rules.longest_rest)
        return Breaker(self.key, failures, self.openings + 1, rests_until=now + rest)

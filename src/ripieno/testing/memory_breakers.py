"""Circuit breakers of one process, in a dictionary."""

from collections.abc import Sequence

from ripieno.domain.breakers import Breaker, BreakerRules, Standing
from ripieno.ports import Clock


class MemoryBreakers:
    """`models.broken.Breakers` without a database."""

    def __init__(self, clock: Clock, rules: BreakerRules) -> None:
        self._clock = clock
        self._rules = rules
        self._kept: dict[str, Breaker] = {}

    async def admit(self, key: str) -> float | None:
        now, breaker = self._clock.now(), self._kept.get(key, Breaker(key))
        if breaker.standing(now) is Standing.CLOSED:
            return None
        if breaker.may_probe(now):
            self._kept[key] = breaker.probing(now, self._rules)
            return None
        return max(breaker.wait(now), 1.0)

    async def succeeded(self, key: str) -> None:
        self._kept.pop(key, None)

    async def failed(self, key: str) -> Breaker:
        breaker = self._kept.get(key, Breaker(key)).after_failure(self._clock.now(), self._rules)
        self._kept[key] = breaker
        return breaker

    async def all(self) -> Sequence[Breaker]:
        return [self._kept[key] for key in sorted(self._kept)]

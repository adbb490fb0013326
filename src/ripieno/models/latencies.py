"""How long models take lately, as this process measures it."""

ALPHA = 0.2
"""How much one call weighs in the moving average."""


class Latencies:
    """Seconds to the whole answer, by tenant and model: a moving average, exponentially weighted, without failures."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[str, str], float] = {}

    def of(self, tenant: str, model: str) -> float | None:
        """The average; None before the first call."""
        return self._seconds.get((tenant, model))

    def took(self, tenant: str, model: str, seconds: float) -> None:
        """Count a call."""
        before = self._seconds.get((tenant, model), seconds)
        self._seconds[tenant, model] = before + ALPHA * (seconds - before)

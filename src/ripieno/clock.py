"""The one place that reads the system's clocks and draws random bytes."""

import asyncio
import secrets
import time
from datetime import UTC, datetime

from ripieno.domain import ids

BOOT: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Goes on while the machine sleeps, where the system has such a clock: what was due meanwhile is late."""


class SystemClock:
    """`ports.Clock` on the machine's own clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.clock_gettime(BOOT)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def new_id(self, prefix: str) -> str:
        return ids.compose(prefix, time.time_ns() // 1_000_000, secrets.token_bytes(10))

"""The one place that reads the system's clocks and draws random bytes."""

import asyncio
import secrets
import time
from datetime import UTC, datetime

from ripieno.domain import ids


class SystemClock:
    """`ports.Clock` on the machine's own clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def new_id(self, prefix: str) -> str:
        return ids.compose(prefix, time.time_ns() // 1_000_000, secrets.token_bytes(10))

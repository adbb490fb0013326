"""Opens the limiter that the settings ask for."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from ripieno.domain.errors import Invalid
from ripieno.governance.limiting import LocalLimiter
from ripieno.integrations.limits.falling_back import FallingBackLimiter
from ripieno.ports import Clock, Limiter

SCHEMES = ("redis", "rediss")


@asynccontextmanager
async def open_limiter(url: str | None, clock: Clock) -> AsyncGenerator[Limiter]:
    """Limits over the Redis at `url`, without one in this process, until the block ends.

    A Redis that is away is no error: each process counts for itself until it is back.

    Raises:
        Invalid: The URL is no Redis, or its library is not installed.
    """
    local = LocalLimiter(clock)
    if url is None:
        yield local
        return
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise Invalid("limits.redis_url must look like redis://host:port or rediss://host:port")
    try:
        from ripieno.integrations.limits import redis  # noqa: PLC0415 (optional extra)
    except ImportError:
        raise Invalid("limits over Redis need: pip install 'ripieno[redis]'") from None
    shared = redis.RedisLimiter(url, clock)
    async with asyncio.TaskGroup() as group:
        keeping = group.create_task(shared.keep_up(), name="limits")
        try:
            yield FallingBackLimiter(shared, local, clock, redis.AWAY)
        finally:
            keeping.cancel()
            await shared.close()

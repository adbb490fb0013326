"""Which limiter stands where, and what it does while Redis is away."""

import asyncio

import pytest

from ripieno.clock import SystemClock
from ripieno.domain.errors import Invalid
from ripieno.domain.limits import Rate
from ripieno.governance.limiting import LocalLimiter
from ripieno.integrations.limits import redis
from ripieno.integrations.limits.falling_back import REST, FallingBackLimiter
from ripieno.integrations.limits.opening import open_limiter
from ripieno.testing.fake_clock import FakeClock
from tests.servers.brokers import Brokers, free_port

ONE = [Rate(1)]


@pytest.mark.parametrize("url", ["http://x:1", "redis://", "redis"])
async def test_only_redis_will_do(url: str):
    with pytest.raises(Invalid, match="redis://host:port"):
        async with open_limiter(url, FakeClock()):
            pass


async def test_without_a_url_the_process_counts_for_itself():
    async with open_limiter(None, FakeClock()) as limiter:
        assert isinstance(limiter, LocalLimiter)


async def test_while_redis_is_away_limits_hold_in_each_process(caplog: pytest.LogCaptureFixture):
    async with open_limiter(f"redis://127.0.0.1:{free_port()}", SystemClock()) as limiter:
        assert await limiter.acquire("k", ONE) is None
        assert await limiter.acquire("k", ONE) is not None
        await limiter.charge("c", ONE, 1)
        assert await limiter.acquire("c", ONE) is not None
        await limiter.pause("p", 60)
        assert await limiter.acquire("p", []) is not None
        async with limiter.slot("s", 1, 0):
            pass
    assert len([record for record in caplog.records if "for itself" in record.message]) == 1


@pytest.mark.needs("redis-server")
async def test_redis_is_found_again_after_a_rest(brokers: Brokers, caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO")
    server, clock = brokers("redis"), FakeClock()
    shared = redis.RedisLimiter(server.url, SystemClock())
    limiter = FallingBackLimiter(shared, LocalLimiter(clock), clock, redis.AWAY)
    assert await limiter.acquire("again", ONE) is None
    server.kill()
    assert await limiter.acquire("again", ONE) is None
    server.start()
    assert await limiter.acquire("again", ONE) is not None, "counted here, as Redis is not asked yet"
    clock.advance(REST)
    assert await limiter.acquire("again", ONE) is None
    assert "limits are shared again" in caplog.text
    await shared.close()


@pytest.mark.needs("redis-server")
async def test_held_permits_are_renewed_and_those_of_the_dead_run_out(
    brokers: Brokers, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(redis, "LEASE", 0.6)
    monkeypatch.setattr(redis, "RENEWAL", 0.05)
    clock = SystemClock()
    url = brokers("redis").url
    async with open_limiter(url, clock) as limiter:
        dead = redis.RedisLimiter(url, clock)
        await dead.slot("lease", 2, 0).__aenter__()
        async with limiter.slot("lease", 2, 0), limiter.slot("lease", 2, 10):
            await asyncio.sleep(0.8)
            assert await dead._redis.zcard(f"{redis.PREFIX}:slots:lease") == 2
        await dead.close()

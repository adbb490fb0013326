"""Circuit breakers that all processes of a database share.

A call that is let through costs no statement: what the table says is read again only when it was read long enough ago,
and written only when something changes. So a process learns of what another saw within `FRESH` seconds.
"""

from dataclasses import dataclass

from ripieno.domain.breakers import Breaker, BreakerRules, Standing
from ripieno.ports import Clock
from ripieno.store.portable.frame import Frame, Frames, Record, Work

FRESH = 1.0
"""Seconds."""

ONE = "SELECT * FROM breakers WHERE key = :key"

LOCKED = f"{ONE} FOR UPDATE"

ALL = "SELECT * FROM breakers ORDER BY key"

KEEP = """
INSERT INTO breakers (key, failures, openings, rests_until, probe_until, updated_at)
VALUES (:key, :failures, :openings, :rests_until, :probe_until, :now)
ON CONFLICT (key) DO UPDATE SET failures = excluded.failures, openings = excluded.openings,
  rests_until = excluded.rests_until, probe_until = excluded.probe_until, updated_at = excluded.updated_at
RETURNING *
"""

FORGET = "DELETE FROM breakers WHERE key = :key RETURNING key"


@dataclass(frozen=True, slots=True)
class _Seen:
    breaker: Breaker
    at: float


class StoredBreakers:
    """`models.broken.Breakers`."""

    def __init__(self, frames: Frames, clock: Clock, rules: BreakerRules) -> None:
        self._frames = frames
        self._clock = clock
        self._rules = rules
        self._seen: dict[str, _Seen] = {}

    async def admit(self, key: str) -> float | None:
        breaker = await self._known(key)
        now = self._clock.now()
        if breaker.standing(now) is Standing.CLOSED:
            return None
        if breaker.may_probe(now):
            breaker, mine = await self._frames.write(_probe, key, self._rules)
            self._note(breaker)
            if mine:
                return None
        return max(breaker.wait(self._clock.now()), FRESH)

    async def succeeded(self, key: str) -> None:
        if (await self._known(key)) != Breaker(key):
            await self._frames.write(_close, key)
            self._note(Breaker(key))

    async def failed(self, key: str) -> Breaker:
        breaker = await self._frames.write(_fail, key, self._rules)
        self._note(breaker)
        return breaker

    async def all(self) -> list[Breaker]:
        return await self._frames.read(_all)

    async def _known(self, key: str) -> Breaker:
        seen = self._seen.get(key)
        if seen is None or self._clock.monotonic() - seen.at >= FRESH:
            self._note(await self._frames.read(_one, key))
        return self._seen[key].breaker

    def _note(self, breaker: Breaker) -> None:
        self._seen[breaker.key] = _Seen(breaker, self._clock.monotonic())


def _one(frame: Frame, key: str) -> Work[Breaker]:
    row = yield from frame.one(ONE, key=key)
    return _breaker(row) if row is not None else Breaker(key)


def _locked(frame: Frame, key: str) -> Work[Breaker]:
    row = yield from frame.one(LOCKED, key=key)
    return _breaker(row) if row is not None else Breaker(key)


def _all(frame: Frame) -> Work[list[Breaker]]:
    rows = yield from frame.all(ALL)
    return [_breaker(row) for row in rows]


def _probe(frame: Frame, key: str, rules: BreakerRules) -> Work[tuple[Breaker, bool]]:
    """Take the probe, unless another has it or the breaker has closed."""
    breaker = yield from _locked(frame, key)
    if breaker.standing(frame.now) is Standing.CLOSED:
        return breaker, True
    if not breaker.may_probe(frame.now):
        return breaker, False
    return (yield from _keep(frame, breaker.probing(frame.now, rules))), True


def _fail(frame: Frame, key: str, rules: BreakerRules) -> Work[Breaker]:
    breaker = yield from _locked(frame, key)
    return (yield from _keep(frame, breaker.after_failure(frame.now, rules)))


def _close(frame: Frame, key: str) -> Work[None]:
    yield from frame.one(FORGET, key=key)


def _keep(frame: Frame, breaker: Breaker) -> Work[Breaker]:
    (row,) = yield from frame.all(
        KEEP,
        key=breaker.key,
        failures=breaker.failures,
        openings=breaker.openings,
        rests_until=breaker.rests_until,
        probe_until=breaker.probe_until,
        now=frame.now,
    )
    return _breaker(row)


def _breaker(row: Record) -> Breaker:
    return Breaker(
        row["key"],
        row["failures"],
        row["openings"],
        row.time_or_none("rests_until"),
        row.time_or_none("probe_until"),
    )

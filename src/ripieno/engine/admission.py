"""Whether another run may be started: not while too many are queued.

The queue is not counted for each request. It is looked at once a second at most, no further than the limit, and what
this process starts meanwhile is added. Only a fresh look says no: what was added may have left the queue long since.
Children and runs that go on are never refused; nobody asks here for them.
"""

from dataclasses import dataclass

from ripieno.domain.errors import AdmissionClosed
from ripieno.ports import Clock, Records

LOOK_SECONDS = 1.0
LOOK_AGAIN_SECONDS = 0.25
RETRY_SECONDS = 5.0
MANY = 10_000
"""So many looks are kept before old ones are thrown away."""


@dataclass(frozen=True, slots=True)
class Depths:
    """How many runs may be queued, in all and of one tenant; None means any number."""

    queued: int | None = None
    tenant_queued: int | None = None


ANY_DEPTH = Depths()


@dataclass(slots=True)
class _Look:
    at: float
    many: int


class Admission:
    """The door of the queue."""

    def __init__(self, records: Records, clock: Clock, depths: Depths) -> None:
        self._records = records
        self._clock = clock
        self._depths = depths
        self._looks: dict[str | None, _Look] = {}

    async def admit(self, tenant: str) -> None:
        """Let one more run of a tenant in.

        Raises:
            AdmissionClosed: Too many are queued.
        """
        await self._check(None, self._depths.queued, "runs")
        await self._check(tenant, self._depths.tenant_queued, "runs of this tenant")
        for look in (self._looks.get(None), self._looks.get(tenant)):
            if look is not None:
                look.many += 1

    async def _check(self, tenant: str | None, limit: int | None, what: str) -> None:
        if limit is None:
            return
        look = self._looks.get(tenant)
        age = self._clock.monotonic() - look.at if look else LOOK_SECONDS
        if look is None or age >= LOOK_SECONDS or (look.many >= limit and age >= LOOK_AGAIN_SECONDS):
            look = await self._look(tenant, limit)
        if look.many >= limit:
            raise AdmissionClosed(f"{limit} {what} are queued already, which is the most allowed", RETRY_SECONDS)

    async def _look(self, tenant: str | None, limit: int) -> _Look:
        now = self._clock.monotonic()
        if len(self._looks) >= MANY:
            self._looks = {key: look for key, look in self._looks.items() if now - look.at < LOOK_SECONDS}
        look = self._looks[tenant] = _Look(now, await self._records.queued(tenant, limit))
        return look

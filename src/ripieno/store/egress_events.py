"""What the egress guard decided, as events in the outbox."""

from ripieno.domain.jsons import JsonObject
from ripieno.store.portable.frame import Frame, Frames, Work

DECIDED = "egress.decided"

_NOBODY = "default"  # whose events those are that belong to no call


class StoredEgressEvents:
    """Writes them."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames

    async def keep(self, tenant: str, run_id: str, body: JsonObject) -> None:
        """Write one of a tenant and run, either of which may be empty."""
        await self._frames.write(_keep, tenant or _NOBODY, run_id, body)


def _keep(frame: Frame, tenant: str, run_id: str, body: JsonObject) -> Work[None]:
    yield from frame.tell(tenant, DECIDED, run_id, body)

"""Hands an agent's messages to people and programs outside, as `message.receive` hands them to its runs."""

from collections.abc import Sequence

from ripieno.domain import ids, mail
from ripieno.domain.hints import HintKind
from ripieno.domain.mail import Mail
from ripieno.domain.principals import Principal
from ripieno.engine.fanout import Fanout, heard
from ripieno.engine.stores import Mailboxes
from ripieno.ports import Clock, Definitions, Dispatch

POLL_SECONDS = 2.0


class Receiving:
    """Every method names on whose behalf it acts."""

    def __init__(self, boxes: Mailboxes, definitions: Definitions, dispatch: Dispatch, clock: Clock) -> None:
        self._boxes = boxes
        self._definitions = definitions
        self._clock = clock
        self._fanout = Fanout(dispatch)

    async def receive(self, principal: Principal, agent: str, limit: int, seconds: float) -> Sequence[Mail]:
        """Take what lies in an agent's box, oldest first; waits for the first one. Raises `NotFound`."""
        box = await self._box(agent)
        ends, key = self._clock.monotonic() + seconds, self._clock.new_id(ids.MESSAGE)
        with self._fanout.waiting(mail.bell(principal.tenant, box), HintKind.PROGRESS) as news:
            while True:
                news.clear()
                found = await self._boxes.receive(principal.tenant, box, limit, principal.id, key)
                left = ends - self._clock.monotonic()
                if found or left <= 0:
                    return found
                await heard(news, min(left, POLL_SECONDS))

    async def unread(self, principal: Principal, agent: str, limit: int, after: int) -> Sequence[Mail]:
        """What lies in an agent's box, oldest first; it stays there. Raises `NotFound`."""
        return await self._boxes.unread(principal.tenant, await self._box(agent), limit, after)

    async def acknowledge(self, principal: Principal, mail_id: str) -> Mail:
        """Take one message out of its box. Raises `NotFound`, `AlreadyReceived`."""
        return await self._boxes.acknowledge(principal.tenant, mail_id, principal.id)

    async def _box(self, agent: str) -> str:
        return mail.agent_box((await self._definitions.agent(agent)).name)

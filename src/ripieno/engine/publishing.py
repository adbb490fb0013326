"""Takes events from outside and wakes the runs that wait for them."""

from dataclasses import replace
from datetime import timedelta

from ripieno.domain import jsons, published
from ripieno.domain.errors import Invalid, Problem
from ripieno.domain.principals import Principal
from ripieno.domain.published import Published
from ripieno.engine.stores import Events
from ripieno.ports import Clock

TIDY = timedelta(minutes=1)

MOST = 256_000
"""Characters of JSON in the data of one event: every run that waits for it gets a copy."""


class Publishing:
    """Every method names on whose behalf it acts."""

    def __init__(self, events: Events, clock: Clock) -> None:
        self._events = events
        self._clock = clock
        self._tidied = clock.now()

    async def publish(self, principal: Principal, event: Published) -> Published:
        """Publish an event in the name of its tenant; one that is known, by its source and id, is not told again.

        Raises:
            Invalid: Its type is one of the platform's own, or its data is too large.
        """
        if problem := _problem(event):
            raise Invalid("the event cannot be published", [problem])
        event = replace(event, tenant=principal.tenant, by=principal.id, time=event.time or self._clock.now())
        await self._events.publish(event)
        return event

    async def turn(self) -> None:
        """Make good for publishers that died before they had woken everybody. Raises `StoreBusy`."""
        await self._events.deliver()
        if self._clock.now() - self._tidied >= TIDY:
            self._tidied = self._clock.now()
            await self._events.tidy()


def _problem(event: Published) -> Problem | None:
    first = event.type.partition(".")[0]
    if first in published.OURS:
        return Problem("/event_type", f"types that begin with {first} are the platform's own")
    size = len(jsons.canonical(event.data))
    return Problem("/payload", f"{size:,} characters of JSON; {MOST:,} are the most") if size > MOST else None

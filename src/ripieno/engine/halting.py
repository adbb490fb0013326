"""What is stopped, as this process knows it: looked up before each step, read again each second."""

import logging
from collections.abc import Mapping, Sequence

from ripieno.domain import halts
from ripieno.domain.errors import Halted, StoreBusy
from ripieno.domain.halts import Halt, Subject
from ripieno.domain.jsons import JsonObject
from ripieno.domain.principals import Principal
from ripieno.domain.runs import Run, RunStatus
from ripieno.engine.leg import Blocked
from ripieno.ports import Clock, Halts

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0


class Halting:
    """The halts in force. A run that meets one parks until it is lifted, and holds no worker meanwhile."""

    def __init__(self, stored: Halts, clock: Clock) -> None:
        self._stored = stored
        self._clock = clock
        self._halts: Mapping[str, Halt] = {}
        self._owing = True
        """Runs may wait for a halt that is gone. At the start too: whoever lifted one may not have woken them."""

    # -- looking -------------------------------------------------------------------------------------------------

    @property
    def everything(self) -> bool:
        """Whether all is stopped."""
        return halts.EVERYTHING in self._halts

    def over(self, subject: Subject) -> Halt | None:
        """A halt that covers this; None lets it go on."""
        if not self._halts:
            return None
        return next((halt for halt in self._halts.values() if halts.covers(halt.scope, subject)), None)

    def over_run(self, run: Run) -> Halt | None:
        """A halt that covers a run, whatever it would do next."""
        return self.over(halts.subject_of(run))

    def over_model(self, tenant: str, model: str) -> str | None:
        """Why a model may not be asked now, in words that follow its name."""
        halt = self.over(Subject(tenant, model=model))
        return f"was halted by {halt.by}" if halt else None

    def check(self, run: Run, tool: str = "", model: str = "") -> None:
        """Raises `Blocked` where a run may not go on, or not with this tool or model."""
        if self._halts and (halt := self.over(halts.subject_of(run, tool, model))):
            raise Blocked(RunStatus.WAITING, [halts.waiting_for(halt)])

    def refuse(self, subject: Subject) -> None:
        """For what cannot wait. Raises `Halted`."""
        if halt := self.over(subject):
            why = f": {halt.reason}" if halt.reason else ""
            raise Halted(f"{halt.scope} was halted by {halt.by}{why}")

    async def all(self) -> Sequence[Halt]:
        """The halts in force, as they are stored."""
        return await self._stored.all()

    # -- changing ------------------------------------------------------------------------------------------------

    async def halt(self, principal: Principal, scope: str, reason: str) -> Halt:
        """Stop something: here at once, in other processes within a second or two. Raises `Invalid`."""
        halt = await self._stored.halt(principal.tenant, halts.checked(scope), reason, principal.id)
        self._halts = {**self._halts, halt.scope: halt}
        return halt

    async def lift(self, principal: Principal, scope: str, reason: str) -> Halt:
        """Let it go on, and wake what waits for that. Raises `Invalid`, `NotFound`."""
        halt = await self._stored.lift(principal.tenant, halts.checked(scope), reason, principal.id)
        self._halts = {name: other for name, other in self._halts.items() if name != halt.scope}
        self._owing = True
        await self._wake()
        return halt

    # -- keeping up ----------------------------------------------------------------------------------------------

    async def refresh(self) -> None:
        """Read the halts. What waits for one that is gone is woken, also by a process that only now learns of it.

        Raises:
            StoreBusy: They cannot be read; what was known stays in force.
        """
        current = {halt.scope: halt for halt in await self._stored.all()}
        self._owing = self._owing or bool(self._halts.keys() - current.keys())
        self._halts = current
        await self._wake()

    async def watch(self) -> None:
        """Keep up, for ever."""
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            try:
                await self.refresh()
            except StoreBusy as error:
                log.warning("what is halted cannot be looked up", extra={"reason": error.detail})

    async def parked(self, waits: tuple[JsonObject, ...]) -> None:
        """After a run has parked: it may have missed that its halt was lifted just before."""
        if halts.scopes_of(waits).difference(self._halts):
            self._owing = True
            await self._wake()

    async def _wake(self) -> None:
        if not self._owing:
            return
        self._owing = False
        try:
            await self._stored.wake()
        except StoreBusy:
            self._owing = True
            raise

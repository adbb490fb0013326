"""What the engine alone asks of a store, beside the ports: schedules, mailboxes, published events."""

from collections.abc import Sequence
from typing import Protocol

from ripieno.domain.mail import Mail, NewMail, Receiver
from ripieno.domain.principals import Principal
from ripieno.domain.published import Published
from ripieno.domain.schedules import NewSchedule, Schedule, ScheduleChange, Target, Tick, Trigger


class Schedules(Protocol):
    """What starts runs by itself. A `name` may be a schedule's id as well.

    Who adds, changes, deletes or triggers one stands in the audit trail, by the transaction that does it.
    """

    async def create(self, new: NewSchedule) -> Schedule:
        """Add one; the same again for an id that is there. Raises `NameTaken`."""
        ...

    async def change(self, by: Principal, name: str, change: ScheduleChange) -> Schedule:
        """Change one; its ticks count from now where its trigger changes or it is resumed.

        Raises:
            NotFound: With near names.
            ManagedByFile: A file defines it; it can be paused and resumed.
            Stale: Somebody changed it since.
        """
        ...

    async def delete(self, by: Principal, name: str, version: int | None = None) -> None:
        """Forget one and its history; its runs stay. Raises as `change`."""
        ...

    async def schedule(self, tenant: str, name: str) -> Schedule:
        """One of them. Raises `NotFound` with near names."""
        ...

    async def schedules(self, tenant: str, limit: int, after: str | None = None) -> Sequence[Schedule]:
        """A page of them, by name; `after` is the last name of the page before."""
        ...

    async def ticks(self, tenant: str, name: str, limit: int, before: int | None = None) -> Sequence[Tick]:
        """A page of a schedule's history, newest first. Raises `NotFound`."""
        ...

    async def trigger(self, tenant: str, name: str, target: Target, trigger: Trigger) -> Tick:
        """Start a run now, whatever is under way. Raises `NotFound`."""
        ...

    async def keep(self, wanted: Sequence[NewSchedule]) -> None:
        """Take over what files define: add, change, and mark those whose files are gone."""
        ...

    async def due(self, limit: int) -> Sequence[Schedule]:
        """Those that have something to do, longest due first."""
        ...

    async def tick(self, schedule_id: str, target: Target | str) -> Sequence[Tick]:
        """Do what is due of one schedule, in one transaction; nothing where another process is at it.

        The target is the agent as it is now, or a sentence why it cannot be started.
        """
        ...


class Mailboxes(Protocol):
    """Boxes of agents and sessions. Each message is delivered once, in order, and kept until somebody takes it.

    What a run takes is its own when the run's journal acknowledges it (`Append.acknowledged`). What it has not
    acknowledged when it ends lies in its box again, in its old place.
    """

    async def post(self, new: NewMail) -> Mail:
        """Put a message in its box and wake who waits for it; the same again for an id that is there.

        Raises:
            MailboxFull: Too many messages lie there.
        """
        ...

    async def take(self, receiver: Receiver, boxes: Sequence[str], *, stay: bool) -> Mail | None:
        """The oldest message of these boxes, for a leg; None where there is none.

        With `stay` the run then counts as waiting, and is woken when one comes. Raises `LegLost`.
        """
        ...

    async def taken(self, receiver: Receiver) -> Mail | None:
        """What a command took already, in this leg or an earlier one."""
        ...

    async def unread(self, tenant: str, box: str, limit: int, after: int = 0) -> Sequence[Mail]:
        """What lies in a box, oldest first, and stays there; `after` is the `n` of the last one of the page before."""
        ...

    async def receive(self, tenant: str, box: str, limit: int, by: str, key: str) -> Sequence[Mail]:
        """Take what lies in a box, oldest first; under a key that took something before, the same again."""
        ...

    async def acknowledge(self, tenant: str, mail_id: str, by: str) -> Mail:
        """Take one message. Raises `NotFound`, `AlreadyReceived`."""
        ...

    async def stir(self) -> int:
        """Wake those who wait although something lies in their box, and forget what is over; answers how many."""
        ...


class Events(Protocol):
    """Events from outside. Each reaches every run that waited for it when it was published, once."""

    async def publish(self, event: Published) -> None:
        """Write an event into the outbox and wake who waits for it; nothing for one that is known."""
        ...

    async def stay(self, receiver: Receiver, topic: str) -> None:
        """From now on a leg's command waits for a topic. Raises `LegLost`."""
        ...

    async def leave(self, run_id: str, key: str) -> None:
        """It waits no more."""
        ...

    async def deliver(self) -> int:
        """Wake those whom a publisher that died had not woken; answers how many."""
        ...

    async def tidy(self) -> None:
        """Forget what is over."""
        ...

"""The post office: finds where a message goes. Signals are sent here too."""

from dataclasses import dataclass, replace

from ripieno.domain import ids, mail
from ripieno.domain.jsons import Json
from ripieno.domain.mail import Mail, NewMail
from ripieno.domain.principals import Principal
from ripieno.engine.stores import Mailboxes
from ripieno.ports import Clock, Definitions, Journal, Records

STIR_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message as its sender addresses it: `to` is an agent's name, a run's id or a session's."""

    to: str
    body: Json
    sender: str
    from_run: str | None = None
    reply_to: str | None = None


@dataclass(frozen=True, slots=True)
class Counters:
    """What the post office works with."""

    mailboxes: Mailboxes
    journal: Journal
    records: Records
    definitions: Definitions


class PostOffice:
    """Every method names on whose behalf it acts."""

    def __init__(self, counters: Counters, clock: Clock) -> None:
        self.boxes = counters.mailboxes
        self._counters = counters
        self._clock = clock
        self._stirred = clock.monotonic()

    async def send(self, tenant: str, outgoing: Outgoing, mail_id: str | None = None) -> Mail:
        """Send a message; under an id that was used before nothing happens again.

        Raises:
            NotFound: No such run or session, or no such agent, with near names.
            Invalid: The agent is a team that cannot work.
            RunEnded: The run is over.
        """
        mail_id = mail_id or self._clock.new_id(ids.MESSAGE)
        to = outgoing.to
        new = NewMail(mail_id, tenant, to, outgoing.sender, outgoing.body, outgoing.from_run, outgoing.reply_to)
        if to.startswith(f"{ids.RUN}_"):
            return await self._to_run(new)
        if to.startswith(f"{ids.SESSION}_"):
            await self._counters.records.session(tenant, to)
            return await self.boxes.post(replace(new, box=mail.session_box(to)))
        agent = await self._counters.definitions.agent(to)
        return await self.boxes.post(replace(new, box=mail.agent_box(agent.name)))

    async def signal(self, principal: Principal, run_id: str, topic: str, data: Json, dedupe: str | None = None) -> int:
        """Tell a run that something happened; answers the number of the signal in its inbox.

        Raises:
            NotFound: No such run.
            RunEnded: The run is over.
        """
        body = {"topic": topic, "data": data, "from": principal.id}
        dedupe = dedupe or self._clock.new_id(ids.MESSAGE)
        return await self._counters.journal.send(principal.tenant, run_id, mail.SIGNAL, body, f"signal/{dedupe}")

    async def stir(self) -> None:
        """Once in a while make good for senders that died before they had woken anybody. Raises `StoreBusy`."""
        if self._clock.monotonic() - self._stirred >= STIR_SECONDS:
            self._stirred = self._clock.monotonic()
            await self.boxes.stir()

    async def _to_run(self, new: NewMail) -> Mail:
        sent = Mail(
            new.id,
            new.tenant,
            new.box,
            new.sender,
            new.body,
            new.from_run,
            new.reply_to,
            sent_at=self._clock.now(),
        )
        n = await self._counters.journal.send(new.tenant, new.box, mail.ARRIVED, mail.shown(sent), new.id)
        return replace(sent, n=n)

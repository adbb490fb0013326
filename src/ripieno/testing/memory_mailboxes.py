"""Mailboxes of `MemoryStore`."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import timedelta

from ripieno.domain import mail
from ripieno.domain.errors import AlreadyReceived, MailboxFull, NotFound
from ripieno.domain.hints import Hint, HintKind
from ripieno.domain.mail import Mail, NewMail, Receiver
from ripieno.domain.runs import TERMINAL, RunStatus
from ripieno.ports import Clock, Dispatch
from ripieno.testing.memory_state import WAITING, Draft, Memory, Posted, copied

INSTANT = timedelta(microseconds=1)


class MemoryMailboxes:
    """`engine.stores.Mailboxes` over the journal's memory."""

    def __init__(self, memory: Memory, clock: Clock, dispatch: Dispatch) -> None:
        self._memory = memory
        self._clock = clock
        self.most = mail.MOST_UNREAD
        self._dispatch = dispatch
        self._waiters: dict[tuple[str, str], Sequence[str]] = {}

    @property
    def _posted(self) -> dict[str, Posted]:
        return self._memory.mail

    async def post(self, new: NewMail) -> Mail:
        if new.id not in self._posted:
            if len(self._in(new.tenant, new.box)) >= self.most:
                raise MailboxFull(new.box.partition("/")[2], self.most)
            boxes = [(each.mail.tenant, each.mail.box) for each in self._posted.values()]
            n = 1 + boxes.count((new.tenant, new.box))
            sent = replace(Mail(**asdict(new)), body=copied(new.body), n=n, sent_at=self._clock.now())
            self._posted[new.id] = Posted(sent)
            self._dispatch.publish([Hint(HintKind.PROGRESS, mail.bell(new.tenant, new.box))])
            self._wake(new.tenant, new.box)
        return self._posted[new.id].mail

    async def take(self, receiver: Receiver, boxes: Sequence[str], *, stay: bool) -> Mail | None:
        draft = Draft(self._memory, self._clock.now())
        state = draft.owned(receiver.run_id, receiver.epoch)
        mine = (receiver.run_id, receiver.key)
        if before := self._taken(*mine):
            return before[0]
        found = [each for box in boxes for each in self._in(receiver.tenant, box)]
        if not found:
            if stay:
                self._waiters.setdefault(mine, tuple(boxes))
            else:
                self._waiters.pop(mine, None)
            return None
        first = min(found, key=lambda each: (each.sent_at, each.n))
        draft.put(replace(state, run=replace(state.run, updated_at=max(draft.now, state.run.updated_at + INSTANT))))
        draft.commit()
        self._posted[first.id] = Posted(first, mine)
        self._waiters.pop(mine, None)
        self._wake(first.tenant, first.box)
        return first

    async def taken(self, receiver: Receiver) -> Mail | None:
        return next(iter(self._taken(receiver.run_id, receiver.key)), None)

    async def unread(self, tenant: str, box: str, limit: int, after: int = 0) -> Sequence[Mail]:
        return [each for each in self._in(tenant, box) if each.n > after][:limit]

    async def receive(self, tenant: str, box: str, limit: int, by: str, key: str) -> Sequence[Mail]:
        found = self._taken(by, key) or self._in(tenant, box)[:limit]
        self._posted.update({each.id: Posted(each, (by, key), acknowledged=True) for each in found})
        return found

    async def acknowledge(self, tenant: str, mail_id: str, by: str) -> Mail:
        found = self._posted.get(mail_id)
        if found is None or found.mail.tenant != tenant:
            raise NotFound("message", mail_id)
        if found.taken is not None:
            raise AlreadyReceived(mail_id, found.taken[0])
        self._posted[mail_id] = Posted(found.mail, (by, ""), acknowledged=True)
        return found.mail

    async def stir(self) -> int:
        runs = self._memory.runs
        self._waiters = {
            mine: boxes for mine, boxes in self._waiters.items() if runs[mine[0]].run.status not in TERMINAL
        }
        wanted = {(runs[mine[0]].run.tenant, box) for mine, boxes in self._waiters.items() for box in boxes}
        return sum(self._wake(tenant, box) for tenant, box in sorted(wanted))

    def _in(self, tenant: str, box: str) -> list[Mail]:
        unread = [each.mail for each in self._posted.values() if each.taken is None]
        return sorted((each for each in unread if (each.tenant, each.box) == (tenant, box)), key=lambda each: each.n)

    def _taken(self, by: str, key: str) -> list[Mail]:
        return [each.mail for each in self._posted.values() if each.taken == (by, key)]

    def _wake(self, tenant: str, box: str) -> int:
        if not self._in(tenant, box):
            return 0
        draft = Draft(self._memory, self._clock.now())
        for (run_id, _), boxes in self._waiters.items():
            state = draft.runs[run_id]
            if box not in boxes or state.run.tenant != tenant or state.run.hold or state.run.status in TERMINAL:
                continue
            state = draft.change(state, inbox_seq=state.run.inbox_seq + 1)
            if state.run.status in WAITING:
                draft.queue(state)
            else:
                draft.hint(run_id, HintKind.WORK if state.run.status is RunStatus.QUEUED else HintKind.CONTROL)
            draft.commit()
            self._dispatch.publish(draft.hints)
            return 1
        return 0

"""Published events of `MemoryStore`."""

from ripieno.domain.mail import Receiver
from ripieno.domain.published import ARRIVED, Published, means
from ripieno.domain.runs import TERMINAL
from ripieno.ports import Clock, Dispatch
from ripieno.testing.memory_state import Draft, Memory, copied


class MemoryEvents:
    """`engine.stores.Events` over the journal's memory."""

    def __init__(self, memory: Memory, clock: Clock, dispatch: Dispatch) -> None:
        self._memory = memory
        self._clock = clock
        self._dispatch = dispatch
        self._known: set[tuple[str, str, str]] = set()
        self._waiters: dict[tuple[str, str], tuple[Receiver, str]] = {}

    async def publish(self, event: Published) -> None:
        known = (event.tenant, event.source, event.id)
        if known in self._known:
            return
        self._known.add(known)
        draft = Draft(self._memory, self._clock.now())
        draft.tell(event.tenant, event.type, "", copied(event.shown()))
        for receiver, topic in list(self._waiters.values()):
            if receiver.tenant != event.tenant or not means(topic, event.type):
                continue
            run_id, key = receiver.run_id, receiver.key
            del self._waiters[run_id, key]
            if draft.runs[run_id].run.status not in TERMINAL:
                body = {"topic": event.type, **copied(event.shown()), "key": key}
                draft.deliver(draft.runs[run_id], ARRIVED, body, f"event/{receiver.epoch}/{key}")
        draft.commit()
        self._dispatch.publish(draft.hints)

    async def stay(self, receiver: Receiver, topic: str) -> None:
        Draft(self._memory, self._clock.now()).owned(receiver.run_id, receiver.epoch)
        self._waiters.setdefault((receiver.run_id, receiver.key), (receiver, topic))

    async def leave(self, run_id: str, key: str) -> None:
        self._waiters.pop((run_id, key), None)

    async def deliver(self) -> int:
        return 0

    async def tidy(self) -> None:
        runs = self._memory.runs
        self._waiters = {
            mine: waiter for mine, waiter in self._waiters.items() if runs[mine[0]].run.status not in TERMINAL
        }

"""Halts of `MemoryStore`."""

from collections.abc import Sequence

from ripieno.domain import halts
from ripieno.domain.errors import NotFound
from ripieno.domain.halts import Halt
from ripieno.domain.outbox import AUDIT, audit_body
from ripieno.ports import Clock, Dispatch
from ripieno.testing.memory_state import WAITING, Draft, Memory


class MemoryHalts:
    """`ports.Halts` over the journal's memory."""

    def __init__(self, memory: Memory, clock: Clock, dispatch: Dispatch) -> None:
        self._memory = memory
        self._clock = clock
        self._dispatch = dispatch
        self._halts: dict[str, Halt] = {}

    async def all(self) -> Sequence[Halt]:
        return sorted(self._halts.values(), key=lambda halt: (halt.at, halt.scope))

    async def halt(self, tenant: str, scope: str, reason: str, by: str) -> Halt:
        before = self._halts.get(scope)
        self._halts[scope] = Halt(scope, reason, by, before.at if before else self._clock.now())
        self._audit(tenant, halts.action("HALT", scope), scope, reason, by)
        return self._halts[scope]

    async def lift(self, tenant: str, scope: str, reason: str, by: str) -> Halt:
        if scope not in self._halts:
            raise NotFound("halt", scope)
        self._audit(tenant, halts.action("UNHALT", scope), scope, reason, by)
        return self._halts.pop(scope)

    async def wake(self) -> int:
        draft = Draft(self._memory, self._clock.now())
        freed = [
            state
            for state in draft.runs.values()
            if state.run.status in WAITING
            and not state.run.hold
            and halts.scopes_of(state.run.waits) - set(self._halts)
        ]
        for state in freed:
            draft.queue(state)
        draft.commit()
        self._dispatch.publish(draft.hints)
        return len(freed)

    def _audit(self, tenant: str, action: str, scope: str, reason: str, by: str) -> None:
        draft = Draft(self._memory, self._clock.now())
        draft.tell(tenant, AUDIT, "", audit_body(action, by, scope, draft.now, {"reason": reason}))
        draft.commit()

"""Reading what `MemoryJournal` wrote."""

from collections import Counter
from collections.abc import Sequence

from ripieno.domain.effects import Effect
from ripieno.domain.entries import Entry
from ripieno.domain.errors import NotFound
from ripieno.domain.filters import Counts, InterruptFilter, RunFilter
from ripieno.domain.interrupts import Interrupt
from ripieno.domain.runs import PARKED, Multitask, Run, RunStatus
from ripieno.domain.sessions import Exchange, Session
from ripieno.testing.memory_state import Memory, RunState


class MemoryRecords:
    """`ports.Records` over the journal's memory."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def run(self, tenant: str, run_id: str) -> Run:
        state = self._state(tenant, run_id)
        if state is None:
            raise NotFound("run", run_id)
        return state.run

    async def runs(self, tenant: str, which: RunFilter, limit: int, before: str | None = None) -> Sequence[Run]:
        found = [
            state.run
            for state in self._memory.runs.values()
            if state.run.tenant == tenant
            and which.status in {None, state.run.status}
            and which.target in {None, state.run.target}
            and which.session_id in {None, state.run.session_id}
            and which.parent_id in {None, state.run.parent_id}
            and (which.created_after is None or state.run.created_at > which.created_after)
        ]
        if before is not None:
            last = self._state(tenant, before)
            found = [run for run in found if last is not None and _age(run) < _age(last.run)]
        return sorted(found, key=_age, reverse=True)[:limit]

    async def entries(self, tenant: str, run_id: str, after: int = 0, limit: int = 1000) -> Sequence[Entry]:
        state = self._state(tenant, run_id)
        return state.entries[after : after + limit] if state else ()

    async def effects(self, tenant: str, run_id: str) -> Sequence[Effect]:
        state = self._state(tenant, run_id)
        return state.effects if state else ()

    async def interrupt(self, tenant: str, interrupt_id: str) -> Interrupt:
        found = self._memory.interrupts.get(interrupt_id)
        if found is None or found.tenant != tenant:
            raise NotFound("interrupt", interrupt_id)
        return found

    async def interrupts(
        self, tenant: str, which: InterruptFilter, limit: int, before: str | None = None
    ) -> Sequence[Interrupt]:
        found = [
            interrupt
            for interrupt in self._memory.interrupts.values()
            if interrupt.tenant == tenant
            and which.kind in {None, interrupt.kind}
            and which.status in {None, interrupt.status}
            and which.run_id in {None, interrupt.run_id}
            and (which.assignee is None or which.assignee in interrupt.assignees)
        ]
        if before is not None:
            last = self._memory.interrupts.get(before)
            found = [each for each in found if last is not None and _age(each) < _age(last)]
        return sorted(found, key=_age, reverse=True)[:limit]

    async def session(self, tenant: str, session_id: str) -> Session:
        found = self._memory.sessions.get((tenant, session_id))
        if found is None:
            raise NotFound("session", session_id)
        return found

    async def history(self, tenant: str, session_id: str, limit: int) -> Sequence[Exchange]:
        runs = await self.runs(tenant, RunFilter(session_id=session_id), len(self._memory.runs))
        told = [run for run in runs if run.parent_id is None and self._belongs_to_history(run)][:limit]
        return [
            Exchange(run.id, run.input.goal, run.result.answer, interrupted=run.status is RunStatus.CANCELLED)
            for run in reversed(told)
            if run.result
        ]

    async def queued(self, tenant: str | None, at_most: int) -> int:
        runs = (state.run for state in self._memory.runs.values() if tenant in {None, state.run.tenant})
        return min(at_most, sum(run.status is RunStatus.QUEUED for run in runs))

    async def counts(self) -> Counts:
        by_status = Counter(state.run.status.value for state in self._memory.runs.values())
        return Counts(
            queued=by_status[RunStatus.QUEUED],
            running=by_status[RunStatus.RUNNING],
            parked=sum(by_status[status] for status in PARKED),
        )

    def _belongs_to_history(self, run: Run) -> bool:
        superseded = self._memory.runs[run.id].superseded
        if run.status is RunStatus.COMPLETED:
            return superseded is not Multitask.ROLLBACK
        return run.status is RunStatus.CANCELLED and superseded is Multitask.INTERRUPT

    def _state(self, tenant: str, run_id: str) -> RunState | None:
        state = self._memory.runs.get(run_id)
        return state if state is not None and state.run.tenant == tenant else None


def _age(thing: Run | Interrupt) -> tuple[object, str]:
    return thing.created_at, thing.id

"""What may be done with runs that have ended, as others see it: retry, fork, undo, compare."""

from ripieno.domain.principals import Principal
from ripieno.domain.runs import Run
from ripieno.engine.core.comparison import Comparison, compare
from ripieno.engine.opening import Opening, Surroundings
from ripieno.engine.past.archive import Archive
from ripieno.engine.past.fork import Forks, ForkWish
from ripieno.engine.past.retry import Retries, RetryWish
from ripieno.engine.past.rollback import Plan, Rollbacks, RollbackWish
from ripieno.ports import Clock, History


class Past:
    """The facade. Every method names on whose behalf it acts."""

    def __init__(self, history: History, around: Surroundings, opening: Opening, clock: Clock) -> None:
        self._archive = Archive(around.records)
        self._admission = around.admission
        self._retries = Retries(self._archive, history, clock)
        self._forks = Forks(self._archive, history, opening, around.definitions, clock)
        self._rollbacks = Rollbacks(self._archive, history, around)

    async def retry(self, principal: Principal, run_id: str, wish: RetryWish) -> Run:
        """Let an ended run go on under a new generation. Raises as `Retries.retry`."""
        return await self._retries.retry(principal, run_id, wish)

    async def fork(self, principal: Principal, run_id: str, wish: ForkWish, fork_id: str | None = None) -> Run:
        """Start a new run from an entry of this one. Raises as `Forks.fork`, and `AdmissionClosed`."""
        await self._admission.admit(principal.tenant)
        return await self._forks.fork(principal, run_id, wish, fork_id)

    async def undoing(self, principal: Principal, run_id: str, wish: RollbackWish) -> Plan:
        """What a rollback would do now. Raises as `Rollbacks.plan`."""
        return await self._rollbacks.plan(principal, run_id, wish)

    async def rollback(self, principal: Principal, run_id: str, wish: RollbackWish) -> Run:
        """Undo what a run did. Raises as `Rollbacks.rollback`."""
        return await self._rollbacks.rollback(principal, run_id, wish)

    async def diff(self, principal: Principal, a: str, b: str) -> Comparison:
        """Two runs side by side. Raises `NotFound`."""
        left = await self._archive.records.run(principal.tenant, a)
        right = await self._archive.records.run(principal.tenant, b)
        return compare(await self._archive.entries(left), await self._archive.entries(right))

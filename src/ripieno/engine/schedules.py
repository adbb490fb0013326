"""Lets schedules tick: takes over those of agent files, and starts what is due. Any number of processes may do it."""

import logging
from collections.abc import Mapping

from ripieno.domain import ids
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.errors import AdmissionClosed, Defect, Invalid, NotFound, Rejected
from ripieno.domain.principals import DEFAULT_TENANT, SYSTEM, Principal
from ripieno.domain.runs import RunKind
from ripieno.domain.schedules import (
    ManagedBy,
    NewSchedule,
    Schedule,
    ScheduleChange,
    ScheduleSpec,
    Target,
    Tick,
    Trigger,
)
from ripieno.engine.admission import Admission
from ripieno.engine.stores import Schedules
from ripieno.ports import Clock, Definitions

log = logging.getLogger(__name__)

AT_ONCE = 200


class Scheduler:
    """What the HTTP door and the rounds use."""

    def __init__(self, schedules: Schedules, definitions: Definitions, clock: Clock, admission: Admission) -> None:
        self.rows = schedules
        self._admission = admission
        self._definitions = definitions
        self._clock = clock
        self._kept: Mapping[str, ScheduleSpec] | None = None

    async def turn(self) -> int:
        """Do all that is due now; answers how many ticks something became of. Raises `StoreBusy`."""
        await self.keep()
        done = 0
        for schedule in await self.rows.due(AT_ONCE):
            try:
                await self._admission.admit(schedule.tenant)
                done += await self._tick(schedule)
            except AdmissionClosed as closed:  # it stays due until runs have left the queue
                log.warning("schedule %s must wait", schedule.name, extra={"reason": closed.detail})
            except (Rejected, Defect) as error:  # it stays due, and may not keep the others from ticking
                log.exception("schedule %s cannot tick", schedule.name, extra={"reason": error.detail})
        return done

    async def _tick(self, schedule: Schedule) -> int:
        ticks = await self.rows.tick(schedule.id, await self._target_or_reason(schedule.agent))
        for tick in ticks:
            log.info(
                "schedule %s: %s", schedule.name, tick.outcome, extra={"run_id": tick.run_id, "reason": tick.reason}
            )
        return len(ticks)

    async def create(self, new: NewSchedule) -> Schedule:
        """Add a schedule. Raises `NotFound` and `Invalid` for its agent, `NameTaken`."""
        await self._definitions.agent(new.agent)
        return await self.rows.create(new)

    async def change(self, principal: Principal, name: str, change: ScheduleChange) -> Schedule:
        """Change one. Raises as `Schedules.change`, and `NotFound` and `Invalid` for its agent."""
        if change.agent is not None:
            await self._definitions.agent(change.agent)
        return await self.rows.change(principal, name, change)

    async def trigger(self, principal: Principal, name: str, run_id: str | None = None) -> Tick:
        """Start a run of a schedule now.

        Raises:
            NotFound: No such schedule, or no such agent.
            Invalid: Its agent cannot work.
            AdmissionClosed: Too many runs are queued.
        """
        schedule = await self.rows.schedule(principal.tenant, name)
        target = target_of(await self._definitions.agent(schedule.agent))
        await self._admission.admit(principal.tenant)
        trigger = Trigger(run_id or self._clock.new_id(ids.RUN), principal.id)
        return await self.rows.trigger(principal.tenant, name, target, trigger)

    async def keep(self) -> None:
        """Take over the schedules of agent files, when they are others than the last time. Raises `StoreBusy`."""
        found = {agent.name: agent.schedule for agent in await self._definitions.agents() if agent.schedule}
        if found != self._kept:
            await self.rows.keep([_of_file(name, spec) for name, spec in found.items()])
            self._kept = found

    async def _target_or_reason(self, agent: str) -> Target | str:
        try:
            return target_of(await self._definitions.agent(agent))
        except (NotFound, Invalid) as error:
            return error.detail


def target_of(definition: AgentDefinition) -> Target:
    """The agent as schedules start it."""
    kind = RunKind.TEAM if definition.is_team else RunKind.AGENT
    return Target(definition.name, definition.version, kind, definition.description)


def _of_file(agent: str, spec: ScheduleSpec) -> NewSchedule:
    """The schedule of an agent's file has the agent's name, and the same id in every process."""
    schedule_id = ids.named(ids.SCHEDULE, DEFAULT_TENANT, agent)
    return NewSchedule(schedule_id, DEFAULT_TENANT, agent, agent, spec, SYSTEM.id, ManagedBy.FILE)

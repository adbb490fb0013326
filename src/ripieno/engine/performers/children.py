"""Performs `StartChild` and `AwaitChildren`: work given to runs of other agents."""

from dataclasses import replace

from ripieno.domain import ids, jsons
from ripieno.domain.entries import EntryType, NewEntry
from ripieno.domain.jsons import JsonObject
from ripieno.domain.runs import NewRun, RunKind, RunResult, RunStatus
from ripieno.engine.core.commands import AwaitChildren, ChildEnded, ChildStarted, StartChild
from ripieno.engine.leg import Blocked, Leg
from ripieno.engine.performers.labels import handed_down
from ripieno.ports import Definitions

ENDED = "child.ended"


class ChildPerformer:
    """Inserts a child with the entry that starts it; reads its end from the inbox."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions

    async def start(self, leg: Leg, command: StartChild, metadata: JsonObject | None = None) -> ChildStarted:
        """Start the child, once: its id is derived from its parent and key."""
        if entry := leg.recorded.get(command.key):
            return ChildStarted(entry.body["run_id"])
        definition = await self._definitions.agent(command.agent)
        parent = leg.run
        child = NewRun(
            id=ids.derive(ids.RUN, parent.id, command.key),
            tenant=parent.tenant,
            kind=RunKind.TEAM if definition.is_team else RunKind.AGENT,
            target=definition.name,
            target_version=definition.version,
            session_id=parent.session_id,
            input=replace(command.input, above=leg.family),
            created_by=parent.created_by,
            root_id=parent.root_id,
            parent_id=parent.id,
            parent_key=command.key,
            lane=parent.lane,
            priority=parent.priority,
            deadline=parent.deadline,
            dry_run=parent.dry_run,
            metadata={**handed_down(parent), **(metadata or {})},
        )
        body = {
            "run_id": child.id,
            "agent": child.target,
            "goal": command.input.goal,
            "purpose": command.input.purpose,
            "handoff": child.metadata.get("handoff", False),
        }
        await leg.append(NewEntry(command.key, EntryType.CHILD_STARTED, body), child=child)
        return ChildStarted(child.id)

    async def await_any(self, leg: Leg, command: AwaitChildren) -> tuple[ChildEnded, ...]:
        """All of these children that have ended; at least one, or the run parks.

        Raises:
            Blocked: None has.
        """
        ended: list[ChildEnded] = []
        open_ids: list[str] = []
        for key in command.keys:
            run_id: str = leg.recorded[key].body["run_id"]
            if (end := await self._end(leg, key, run_id)) is not None:
                ended.append(end)
            else:
                open_ids.append(run_id)
        if not ended:
            raise Blocked(RunStatus.WAITING, [{"for": "child", "run_id": run_id} for run_id in open_ids])
        return tuple(ended)

    async def _end(self, leg: Leg, key: str, run_id: str) -> ChildEnded | None:
        entry = leg.recorded.get(f"{key}/end")
        if entry is None:
            row = leg.received(ENDED, "run_id", run_id)
            if row is None:
                return None
            body = {"run_id": run_id, "result": row.body["result"]}
            await leg.append(NewEntry(f"{key}/end", EntryType.CHILD_ENDED, body), consumed=row)
            entry = leg.recorded[f"{key}/end"]
        return ChildEnded(key, run_id, jsons.decode(RunResult, entry.body["result"]))

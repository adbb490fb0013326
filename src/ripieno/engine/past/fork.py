"""Fork: a new run from an entry of another one, with other input, model or agent version where that is wanted."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ripieno.domain import ids
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.effects import Effect, EffectState
from ripieno.domain.entries import EntryType, NewEntry
from ripieno.domain.errors import Invalid, NotFound, Problem
from ripieno.domain.jsons import JsonObject
from ripieno.domain.past import Founding
from ripieno.domain.principals import Principal
from ripieno.domain.runs import NewRun, Run, RunInput, RunKind
from ripieno.engine.core import standing
from ripieno.engine.core.standing import Command
from ripieno.engine.opening import Opening
from ripieno.engine.past import points
from ripieno.engine.past.archive import Archive, refuse_undone
from ripieno.engine.past.retry import shifted
from ripieno.ports import Clock, Definitions, History

CURRENT = "current"
"""The agent's version as it is defined now."""

FORKABLE = frozenset({RunKind.AGENT, RunKind.TEAM})


@dataclass(frozen=True, slots=True)
class ForkWish:
    """From which entry, and what is to be different. None means: as in the run that is forked.

    `changes` are fields of its input: `goal`, `data`, `context`, `limits`.
    """

    start: int | str
    changes: Mapping[str, Any]
    model: str | None = None
    agent_version: str | None = None
    dry_run: bool | None = None
    metadata: JsonObject | None = None


class Forks:
    """Starts runs from the past of others."""

    def __init__(
        self, archive: Archive, history: History, opening: Opening, definitions: Definitions, clock: Clock
    ) -> None:
        self._archive = archive
        self._history = history
        self._opening = opening
        self._definitions = definitions
        self._clock = clock

    async def fork(self, principal: Principal, run_id: str, wish: ForkWish, fork_id: str | None = None) -> Run:
        """Start the fork; with the id of a run that exists, answer that run instead.

        Raises:
            NotFound: No such run, no such entry (with near keys), no such version.
            EffectsUndone: Effects that would be inherited were undone by a rollback.
            Invalid: The run is none of an agent or team, or there is no entry with that number.
        """
        source = await self._archive.records.run(principal.tenant, run_id)
        if source.kind not in FORKABLE:
            raise Invalid(f"a run of kind {source.kind} cannot be forked", [Problem("", "agents and teams only")])
        entries = await self._archive.entries(source)
        kept = points.kept(entries, wish.start, "/from")
        await refuse_undone(self._archive, source, kept.values(), "fork from an entry before the first of them")
        pinned = kept.pop("start", None)
        task = _task(source, wish)
        definition = await self._definition(source, pinned, wish.agent_version)
        new = self._new(principal, source, task, wish, definition)
        new = replace(new, id=fork_id or self._clock.new_id(ids.RUN))
        new = replace(new, root_id=new.id)
        copied = sorted((entry for command in kept.values() for entry in command.entries), key=lambda entry: entry.seq)
        lines = [NewEntry(f"g1/{standing.bare(entry.key)}", entry.type, entry.body) for entry in copied]
        if definition is not None:
            base = pinned.entries[0].body if pinned else None
            body = await self._opening.pinned(new, definition, base, edited=bool(wish.changes))
            lines.insert(0, NewEntry("g1/start", EntryType.RUN_STARTED, body))
        lines.append(_mark(principal, source, wish, len(copied)))
        effects = await self._inherited(source, kept)
        instead_of = None if new.dry_run else source.id
        await self._history.found(Founding(new, tuple(lines), effects, instead_of=instead_of))
        return await self._archive.records.run(principal.tenant, new.id)

    async def _definition(self, source: Run, pinned: Command | None, version: str | None) -> AgentDefinition | None:
        """The definition to pin; None where the first leg pins what is current then."""
        own = AgentDefinition.model_validate(pinned.entries[0].body["definition"]) if pinned else None
        if version is None or (own is not None and version == own.version):
            return own
        current = await self._definitions.agent(source.target)
        if version not in {CURRENT, current.version}:
            known = {current.version, *([own.version] if own else [])}
            raise NotFound("agent version", version, sorted(known))
        return current

    def _new(
        self, principal: Principal, source: Run, task: RunInput, wish: ForkWish, definition: AgentDefinition | None
    ) -> NewRun:
        return NewRun(
            id="",
            tenant=source.tenant,
            kind=source.kind,
            target=source.target,
            target_version=definition.version if definition else source.target_version,
            session_id=source.session_id,
            input=task,
            created_by=principal.id,
            lane=source.lane,
            priority=source.priority,
            deadline=shifted(source, self._clock.now()),
            dry_run=source.dry_run if wish.dry_run is None else wish.dry_run,
            metadata={**source.metadata, **(wish.metadata or {})},
        )

    async def _inherited(self, source: Run, kept: Mapping[str, Command]) -> tuple[Effect, ...]:
        keys = {command.key: command.name for command in kept.values()}
        return tuple(
            replace(effect, key=f"g1/{keys[effect.key]}", state=EffectState.INHERITED)
            for effect in await self._archive.records.effects(source.tenant, source.id)
            if effect.key in keys
        )


def _task(source: Run, wish: ForkWish) -> RunInput:
    task = replace(source.input, **wish.changes)
    return task if wish.model is None else replace(task, model=wish.model)


def _mark(principal: Principal, source: Run, wish: ForkWish, copied: int) -> NewEntry:
    changed = sorted([*wish.changes, *(["model"] if wish.model else []), *(["version"] if wish.agent_version else [])])
    body = {"source_id": source.id, "from": wish.start, "by": principal.id, "copied": copied, "changed": changed}
    return NewEntry("g1/fork", EntryType.RUN_FORKED, body)

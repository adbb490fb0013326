"""Rollback: undo what a run and the runs below it did, newest first, in a run of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ripieno.domain import ids, jsons
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.approvals import ApprovalRule
from ripieno.domain.effects import Effect, EffectState
from ripieno.domain.entries import Entry, EntryType, NewEntry
from ripieno.domain.errors import CannotBeUndone, EffectsUnknown, NothingToUndo, RunActive
from ripieno.domain.filters import RunFilter
from ripieno.domain.jsons import JsonObject
from ripieno.domain.past import EffectName, Founding, Settled
from ripieno.domain.principals import Principal
from ripieno.domain.runs import TERMINAL, Limits, NewRun, Run, RunInput, RunKind
from ripieno.domain.tools import Compensation, ToolContext, ToolResult, ToolSpec
from ripieno.engine.core import followups, standing
from ripieno.engine.core.followups import Unfillable
from ripieno.engine.core.saga import Undo
from ripieno.engine.opening import Surroundings
from ripieno.engine.past import points
from ripieno.engine.past.archive import UNSETTLED, Archive, Word, settle, told
from ripieno.engine.past.retry import refuse_forced_in_silence
from ripieno.ports import History

NOBODY_KNOWS = "somebody gave it up, and nobody knows whether it happened"
NOT_DECLARED = "nothing is declared that undoes it"
LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class RollbackWish:
    """Up to which entry to undo, as a fork from there would leave it; None for everything.

    `force` with a `reason` leaves out what cannot be undone. `words` say what became of unknown effects.
    """

    to: int | str | None = None
    force: bool = False
    reason: str = ""
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What a rollback will do: the steps in their order, what cannot be undone, and what nobody knows."""

    steps: tuple[Undo, ...] = ()
    cannot: tuple[JsonObject, ...] = ()
    unknown: tuple[JsonObject, ...] = ()
    settled: tuple[Settled, ...] = ()
    specs: tuple[ToolSpec, ...] = ()


@dataclass(frozen=True, slots=True)
class _Done:
    """An effect with what its journal tells about it. `declared` is its tool as the run had it."""

    effect: Effect
    arguments: JsonObject
    result: ToolResult | None
    declared: ToolSpec | None

    @property
    def name(self) -> EffectName:
        """Where it stands in the ledger."""
        return EffectName(self.effect.run_id, self.effect.key, self.effect.attempt)


@dataclass(frozen=True, slots=True)
class _Undoing:
    """An effect of an earlier rollback, and what it undoes."""

    effect: Effect
    undoes: EffectName


class _Lasting(Exception):
    """An effect cannot be undone; the text says why."""


class Rollbacks:
    """Plans and starts them."""

    def __init__(self, archive: Archive, history: History, around: Surroundings) -> None:
        self._archive = archive
        self._history = history
        self._around = around

    async def plan(self, principal: Principal, run_id: str, wish: RollbackWish) -> Plan:
        """What a rollback would do now.

        Raises:
            NotFound: No such run, or no such entry.
            RunActive: The run, one below it, or a rollback of one of them has not ended.
            NothingToUndo: The run is a rollback itself.
        """
        run = await self._archive.records.run(principal.tenant, run_id)
        return await self._plan(run, await self._family(run), wish)

    async def rollback(self, principal: Principal, run_id: str, wish: RollbackWish) -> Run:
        """Start undoing; where that is under way, or was done and nothing has come since, the run that did it.

        Raises:
            EffectsUnknown: Nobody knows whether some effects happened; `words` must say so.
            CannotBeUndone: Some effects cannot be undone, and `force` was not given.
            NothingToUndo: There is nothing to undo.
            NotFound, RunActive, Invalid: As `plan`; `force` without a reason.
        """
        run = await self._archive.records.run(principal.tenant, run_id)
        refuse_forced_in_silence(force=wish.force, reason=wish.reason)
        before = await self._rollbacks(run)
        if before and before[0].status not in TERMINAL:
            return before[0]
        family = await self._family(run)
        plan = await self._plan(run, family, wish)
        if plan.unknown:
            raise EffectsUnknown(
                "nobody knows whether these effects happened; look, and say so in `effects`", plan.unknown
            )
        if plan.cannot and not wish.force:
            raise CannotBeUndone("these effects cannot be undone; `force` leaves them as they are", plan.cannot)
        if not plan.steps:
            if before:
                return before[0]
            raise NothingToUndo(f"run {run.id} changed nothing that can be undone")
        new = _new(principal, run, plan, len(before))
        start = NewEntry("g1/start", EntryType.RUN_STARTED, await self._start(run, family, plan, wish))
        await self._history.found(Founding(new, (start,), about=run.id, settled=plan.settled))
        return await self._archive.records.run(run.tenant, new.id)

    async def _family(self, run: Run) -> list[Run]:
        if run.kind is RunKind.ROLLBACK:
            raise NothingToUndo(f"{run.id} is a rollback itself; fork or retry {run.target} instead")
        family = [run, *await self._archive.below(run)]
        going_on = [one.id for one in family if one.status not in TERMINAL]
        if going_on:
            raise RunActive(run.id, going_on)
        return family

    async def _rollbacks(self, run: Run) -> list[Run]:
        """The rollbacks of a run, newest first."""
        found = await self._archive.all_runs(run.tenant, RunFilter(target=run.id))
        return [one for one in found if one.kind is RunKind.ROLLBACK]

    # -- what is to be undone ------------------------------------------------------------------------------------

    async def _plan(self, run: Run, family: Sequence[Run], wish: RollbackWish) -> Plan:
        done: list[_Done] = []
        for one in await self._within(run, family, wish.to):
            done += await self._effects(one, await self._kept(one, wish.to) if one.id == run.id else frozenset())
        earlier = await self._earlier(family)
        effects, said = settle(
            [*(item.effect for item in done), *(undo.effect for undo in earlier)], wish.words, run.id
        )
        unknown = [told(effect) for effect in effects if effect.state in UNSETTLED]
        undone = {
            undo.undoes
            for undo, effect in zip(earlier, effects[len(done) :], strict=True)
            if effect.state is EffectState.DONE
        }
        marks = [Settled(name, EffectState.COMPENSATED) for name in undone]
        wanted = [_with(item, effect) for item, effect in zip(done, effects[: len(done)], strict=True)]
        listed = {spec.name: spec for spec in await self._around.tools.list(_listing(run, self._around))}
        steps: list[Undo] = []
        cannot: list[JsonObject] = []
        for item in sorted(wanted, key=lambda item: item.effect.intended_at or LONG_AGO, reverse=True):
            try:
                steps += self._steps(item, listed) if item.name not in undone else ()
            except _Lasting as why:
                cannot.append(told(item.effect, str(why)))
        specs = tuple(listed[name] for name in sorted({step.by for step in steps}))
        return Plan(tuple(steps), tuple(cannot), tuple(unknown), (*said, *marks), specs)

    def _steps(self, item: _Done, listed: Mapping[str, ToolSpec]) -> list[Undo]:
        """How to undo an effect; nothing where there is nothing to undo. Raises `_Lasting`."""
        effect = item.effect
        if effect.state is EffectState.ABANDONED:
            raise _Lasting(NOBODY_KNOWS)
        if effect.state is not EffectState.DONE:
            return []
        now = listed.get(effect.tool)
        call = (now.compensate if now else None) or (item.declared.compensate if item.declared else None)
        if call is None:
            raise _Lasting(NOT_DECLARED)
        given = self._arguments(call, item, listed.get(call.tool))
        return [Undo(effect.run_id, effect.key, effect.attempt, effect.tool, call.tool, given)]

    def _arguments(self, call: Compensation, item: _Done, by: ToolSpec | None) -> JsonObject:
        if by is None:
            raise _Lasting(f"{call.tool}, which undoes it, is not there")
        try:
            scope = followups.scope_of(item.arguments, item.effect.idempotency_key, item.result)
            given = followups.arguments(call, scope)
        except Unfillable as missing:
            raise _Lasting(f"{call.tool} cannot be called: {missing}") from None
        problems = self._around.check(by.input_schema, given)
        if problems:
            raise _Lasting(f"{call.tool} cannot be called: {'; '.join(problem.detail for problem in problems)}")
        return given

    async def _earlier(self, family: Sequence[Run]) -> list[_Undoing]:
        """What earlier rollbacks did, or may have done.

        One that was stopped between a compensation and its mark has undone an effect that looks as if it were not.
        """
        found: list[_Undoing] = []
        for rollback in [rollback for one in family for rollback in await self._rollbacks(one)]:
            if rollback.status not in TERMINAL:
                raise RunActive(family[0].id, [rollback.id])
            (start, *_) = await self._archive.entries(rollback)
            steps = [jsons.decode(Undo, step) for step in start.body["data"]["steps"]]
            for effect in await self._archive.effects(rollback):
                step = steps[int(effect.key.rpartition("/")[2])]
                found.append(_Undoing(effect, EffectName(step.run_id, step.key, step.attempt)))
        return found

    async def _kept(self, run: Run, to: int | str | None) -> frozenset[str]:
        """The keys of calls that stay done."""
        if to is None:
            return frozenset()
        return frozenset(command.key for command in points.kept(await self._archive.entries(run), to, "/to").values())

    async def _within(self, run: Run, family: Sequence[Run], to: int | str | None) -> list[Run]:
        """The runs of which something is to be undone: not those whose outcome stays."""
        if to is None:
            return list(family)
        kept = points.kept(await self._archive.entries(run), to, "/to")
        staying = {child for command in kept.values() for child in command.children}
        below = [one for one in family if one.id in staying]
        staying |= {one.id for child in below for one in await self._archive.below(child)}
        return [one for one in family if one.id not in staying]

    async def _effects(self, run: Run, kept: frozenset[str]) -> list[_Done]:
        entries = await self._archive.entries(run)
        calls = {entry.key: entry for entry in entries if entry.type is EntryType.TOOL_RETURNED}
        intents = {entry.key.rpartition("/intent/")[0]: entry for entry in entries if _is_intent(entry)}
        specs = {spec["name"]: spec for spec in _pinned(entries).get("tools", ())}
        return [
            _Done(
                effect,
                intents[effect.key].body["arguments"] if effect.key in intents else {},
                jsons.decode(ToolResult, calls[effect.key].body["result"]) if effect.key in calls else None,
                jsons.decode(ToolSpec, specs[effect.tool]) if effect.tool in specs else None,
            )
            for effect in await self._archive.effects(run)
            if effect.key not in kept
        ]

    # -- the run that undoes it ----------------------------------------------------------------------------------

    async def _start(self, run: Run, family: Sequence[Run], plan: Plan, wish: RollbackWish) -> JsonObject:
        """The first entry. People are asked about whatever one of the agents asks about."""
        approvals: dict[str | ApprovalRule, None] = {}
        for one in family:
            pinned = _pinned(await self._archive.entries(one))
            if pinned:
                approvals |= dict.fromkeys(AgentDefinition.model_validate(pinned["definition"]).approvals)
        definition = AgentDefinition(name="rollback", approvals=tuple(approvals))
        return {
            "definition": definition.model_dump(mode="json"),
            "version": definition.version,
            "goal": _goal(run),
            "data": {
                "run_id": run.id,
                "to": wish.to,
                "reason": wish.reason,
                "steps": [jsons.encode(step) for step in plan.steps],
                "skipped": list(plan.cannot),
            },
            "purpose": "rollback",
            "model": "",
            "instructions": "",
            "limits": jsons.encode(Limits()),
            "tools": [jsons.encode(spec) for spec in plan.specs],
            "members": [],
            "history": [],
        }


def _new(principal: Principal, run: Run, plan: Plan, before: int) -> NewRun:
    new_id = ids.derive(ids.RUN, run.id, f"rollback/{before + 1}")
    return NewRun(
        id=new_id,
        tenant=run.tenant,
        kind=RunKind.ROLLBACK,
        target=run.id,
        target_version="",
        session_id=run.session_id,
        input=RunInput(_goal(run), {"run_id": run.id, "steps": len(plan.steps)}, "rollback"),
        created_by=principal.id,
        root_id=new_id,
        lane=run.lane,
        priority=run.priority,
    )


def _goal(run: Run) -> str:
    return f"Undo what {run.id} did"


def _with(item: _Done, effect: Effect) -> _Done:
    return _Done(effect, item.arguments, item.result, item.declared)


def _is_intent(entry: Entry) -> bool:
    return entry.type is EntryType.EFFECT_INTENDED


def _pinned(entries: Sequence[Entry]) -> JsonObject:
    start = standing.standing(entries).get("start")
    return start.body if start else {}


def _listing(run: Run, around: Surroundings) -> ToolContext:
    return ToolContext(run.tenant, around.workspace(run), run.id)

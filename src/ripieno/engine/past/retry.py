"""Retry: an ended run goes on under a new generation, from where it failed or from an earlier point."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ripieno.domain.effects import Effect, EffectState
from ripieno.domain.entries import Entry, EntryType, NewEntry
from ripieno.domain.errors import (
    EffectsDone,
    EffectsUnknown,
    Invalid,
    NothingToRetry,
    Problem,
    RunActive,
    WorksForAnother,
)
from ripieno.domain.past import Reopening
from ripieno.domain.principals import Principal
from ripieno.domain.runs import TERMINAL, Run, RunKind, RunStatus
from ripieno.engine.core import standing
from ripieno.engine.core.standing import Command
from ripieno.engine.past import points
from ripieno.engine.past.archive import UNSETTLED, Archive, Word, refuse_undone, settle, told
from ripieno.ports import Clock, History


@dataclass(frozen=True, slots=True)
class RetryWish:
    """From where to go on: an entry's number or key; None for where it failed.

    `force` with a `reason` lets effects that were done be done again. `words` say what became of unknown ones.
    """

    start: int | str | None = None
    force: bool = False
    reason: str = ""
    words: tuple[Word, ...] = ()


class Retries:
    """Begins generations."""

    def __init__(self, archive: Archive, history: History, clock: Clock) -> None:
        self._archive = archive
        self._history = history
        self._clock = clock

    async def retry(self, principal: Principal, run_id: str, wish: RetryWish) -> Run:
        """Let an ended run go on.

        Raises:
            NotFound: No such run, or no such entry.
            RunActive, WorksForAnother, NothingToRetry: It is not the time, or not the run.
            EffectsUnknown: Effects that would be left behind may have happened.
            EffectsUndone: Effects that would be kept were undone by a rollback.
            EffectsDone: Effects that would be left behind have happened, and may be done again.
            Invalid: `force` without a reason, or an entry number that there is not.
        """
        run = await self._archive.records.run(principal.tenant, run_id)
        refuse_forced_in_silence(force=wish.force, reason=wish.reason)
        if run.status not in TERMINAL:
            raise RunActive(run.id, [run.id])
        if run.kind is RunKind.ROLLBACK:
            raise NothingToRetry(f"{run.id} is a rollback; ask for another one of {run.target}")
        if run.parent_id is not None:
            raise WorksForAnother(
                f"{run.id} worked for {run.parent_id}; retry {run.root_id}, the first of them, or fork this one"
            )
        entries = await self._archive.entries(run)
        found = standing.standing(entries)
        known = standing.commands(found)
        kept = _kept(run, entries, found, wish.start)
        own, settled = settle(await self._effects(run, known), wish.words, run.id)
        _refuse_unknown(own)
        failed = {word.effect.key for word in settled if word.state is EffectState.FAILED}
        for name in [name for name, command in kept.items() if command.key in failed]:
            kept = {one: command for one, command in standing.kept_from(found, name).items() if one in kept}
        await refuse_undone(self._archive, run, kept.values(), "retry from the first of them or from before it")
        dropped = [command for name, command in known.items() if name not in kept]
        below, settled_below = settle(await self._below(run, dropped), wish.words, run.id)
        _refuse_unknown(below)
        keys = {command.key for command in dropped}
        left = [*(effect for effect in own if effect.key in keys), *below]
        again = [effect for effect in left if effect.state is EffectState.DONE]
        if again and not wish.force:
            raise EffectsDone("these effects have happened, and going on from here may do them again", _all_told(again))
        generation = run.generation + 1
        body = {
            "generation": generation,
            "from": wish.start,
            "by": principal.id,
            "reason": wish.reason,
            "dropped": sorted(entry.seq for command in dropped for entry in command.entries),
            "effects": _all_told(again),
        }
        entry = NewEntry(f"g{generation}/retry", EntryType.RUN_RETRIED, body)
        deadline = shifted(run, self._clock.now())
        said = (*settled, *settled_below)
        return await self._history.reopen(
            Reopening(run.tenant, run.id, run.last_seq, entry, principal.id, deadline, said)
        )

    async def _effects(self, run: Run, known: Mapping[str, Command]) -> list[Effect]:
        """What the commands that count did to the world."""
        keys = {command.key for command in known.values()}
        return [effect for effect in await self._archive.effects(run) if effect.key in keys]

    async def _below(self, run: Run, dropped: Sequence[Command]) -> list[Effect]:
        """What the runs did to the world that worked for dropped commands."""
        family = await self._archive.families(run, dropped)
        going_on = [one.id for one in family if one.status not in TERMINAL]
        if going_on:
            raise RunActive(run.id, going_on)
        return [effect for one in family for effect in await self._archive.effects(one)]


def shifted(run: Run, now: datetime) -> datetime | None:
    """The deadline of a run that goes on: one that has passed gives as much time again."""
    if run.deadline is None or run.deadline > now:
        return run.deadline
    return now + (run.deadline - run.created_at)


def refuse_forced_in_silence(*, force: bool, reason: str) -> None:
    """Raises `Invalid` where something is forced and nobody says why."""
    if force and not reason.strip():
        raise Invalid("say why it is forced", [Problem("/reason", "a reason is needed with force")])


def _kept(
    run: Run, entries: Sequence[Entry], found: Mapping[str, Entry], start: int | str | None
) -> Mapping[str, Command]:
    if isinstance(start, int):
        return standing.kept_before(found, points.by_seq(entries, start, "/from"))
    if isinstance(start, str):
        return standing.kept_from(found, points.command_named(found, start))
    if run.status is RunStatus.COMPLETED or run.exit_reason is None:
        raise NothingToRetry(f"run {run.id} completed; name the entry from which to do it again")
    return standing.kept_after(found, run.exit_reason)


def _refuse_unknown(left: Sequence[Effect]) -> None:
    unknown = [effect for effect in left if effect.state in UNSETTLED]
    if unknown:
        detail = "nobody knows whether these effects happened; look, and say so in `effects`"
        raise EffectsUnknown(detail, _all_told(unknown))


def _all_told(effects: Sequence[Effect]) -> list[dict[str, object]]:
    return [told(effect) for effect in effects]

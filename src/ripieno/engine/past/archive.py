"""Reads whole runs: their journals, the runs below them, what they did to the world."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from ripieno.domain.effects import Effect, EffectState
from ripieno.domain.entries import Entry
from ripieno.domain.errors import EffectsUndone
from ripieno.domain.filters import RunFilter
from ripieno.domain.jsons import JsonObject
from ripieno.domain.past import EffectName, Settled
from ripieno.domain.runs import Run
from ripieno.engine.core.standing import Command
from ripieno.ports import Records

PAGE = 1000
RUNS = 200

UNSETTLED = frozenset({EffectState.UNKNOWN, EffectState.INTENDED})


@dataclass(frozen=True, slots=True)
class Word:
    """What a person says about an effect of which nobody knows: `done`, `failed` or `abandoned`."""

    key: str
    state: EffectState
    run_id: str | None = None


class Archive:
    """Runs as they lie in the store."""

    def __init__(self, records: Records) -> None:
        self.records = records

    async def entries(self, run: Run) -> list[Entry]:
        """A run's whole journal, in order."""
        found: list[Entry] = []
        while len(found) < run.last_seq:
            page = await self.records.entries(run.tenant, run.id, len(found), PAGE)
            found += page
            if len(page) < PAGE:
                break
        return found

    async def below(self, run: Run) -> list[Run]:
        """Every run that this one started, and those that they started."""
        found = await self.all_runs(run.tenant, RunFilter(parent_id=run.id))
        return found + [deeper for child in found for deeper in await self.below(child)]

    async def families(self, run: Run, commands: Iterable[Command]) -> list[Run]:
        """Every run that worked for these commands, and those below them."""
        children = [child for command in commands for child in command.children]
        found = [await self.records.run(run.tenant, child) for child in children]
        return found + [deeper for child in found for deeper in await self.below(child)]

    async def all_runs(self, tenant: str, which: RunFilter) -> list[Run]:
        """Every run that fits, newest first."""
        found: list[Run] = []
        while True:
            page = await self.records.runs(tenant, which, RUNS, found[-1].id if found else None)
            found += page
            if len(page) < RUNS:
                return found

    async def effects(self, run: Run) -> list[Effect]:
        """The last attempt of each call that could change the world."""
        ledger = await self.records.effects(run.tenant, run.id)
        return list({effect.key: effect for effect in sorted(ledger, key=lambda effect: effect.attempt)}.values())


async def refuse_undone(archive: Archive, run: Run, kept: Collection[Command], advice: str) -> None:
    """Raises `EffectsUndone` where something was undone of what these commands did."""
    keys = {command.key for command in kept}
    done = [effect for effect in await archive.effects(run) if effect.key in keys]
    done += [effect for one in await archive.families(run, kept) for effect in await archive.effects(one)]
    undone = [effect for effect in done if effect.state is EffectState.COMPENSATED]
    if undone:
        detail = f"a rollback has undone these effects, and going on from here would build on them; {advice}"
        raise EffectsUndone(detail, [told(effect) for effect in undone])


def told(effect: Effect, reason: str | None = None) -> JsonObject:
    """An effect as errors and previews show it."""
    shown: JsonObject = {
        "run_id": effect.run_id,
        "key": effect.key,
        "tool": effect.tool,
        "effect": effect.effect.value,
        "state": effect.state.value,
        "attempt": effect.attempt,
        "idempotency_key": effect.idempotency_key,
    }
    return {**shown, "reason": reason} if reason else shown


def settle(effects: Iterable[Effect], words: Sequence[Word], run_id: str) -> tuple[list[Effect], list[Settled]]:
    """The effects with what somebody said of the unknown ones, and those words for the ledger."""
    said = {(word.run_id or run_id, word.key): word.state for word in words}
    known: list[Effect] = []
    settled: list[Settled] = []
    for effect in effects:
        state = said.get((effect.run_id, effect.key))
        if state is None or effect.state not in UNSETTLED:
            known.append(effect)
            continue
        name = EffectName(effect.run_id, effect.key, effect.attempt)
        settled.append(Settled(name, state))
        known.append(replace(effect, state=state))
    return known, settled

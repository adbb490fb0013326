"""Reads whole runs: their journals, the runs below them, what they did to the world."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ripieno.domain.effects import Effect, EffectState
from ripieno.domain.entries import Entry
from ripieno.domain.filters import RunFilter
from ripieno.domain.jsons import JsonObject
from ripieno.domain.past import EffectName, Settled
from ripieno.domain.runs import Run
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

"""Which entries of a run count now, and which would still count if the run went on from an earlier point.

A retry does not copy entries. It begins a generation, and says which entries of the ones before are dropped. What is
kept answers the same commands under the keys of the new generation, so keys are compared without their generation.

Only whole commands are kept: a call that was approved and not made is asked about again.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ripieno.domain.entries import ENDINGS, Entry, EntryType
from ripieno.domain.runs import ExitReason
from ripieno.domain.tools import ToolStatus
from ripieno.engine.core.spending import NO_MONEY

MARKS = ENDINGS | {EntryType.RUN_RETRIED, EntryType.RUN_FORKED}
"""Entries about the run itself, which answer no command."""

_GENERATION = re.compile(r"^g\d+/")
_CALL = re.compile(r"^(?:(turn/\d+)/)?call/\d+(?=/|$)")


def bare(key: str) -> str:
    """A key without its generation."""
    return _GENERATION.sub("", key)


def standing(entries: Iterable[Entry]) -> dict[str, Entry]:
    """The entries that count, in order, by their bare keys."""
    found: dict[str, Entry] = {}
    for entry in entries:
        if entry.type is EntryType.RUN_RETRIED:
            dropped = frozenset(entry.body["dropped"])
            found = {key: kept for key, kept in found.items() if kept.seq not in dropped}
        elif entry.type not in MARKS:
            found[bare(entry.key)] = entry
    return found


def recorded(entries: Iterable[Entry], generation: int) -> dict[str, Entry]:
    """The entries that count by the keys under which this generation asks for them."""
    if generation == 1:
        return {entry.key: entry for entry in entries}
    return {f"g{generation}/{key}": entry for key, entry in standing(entries).items()}


@dataclass(frozen=True, slots=True)
class Command:
    """What the logic asked for once, with all that was written about it.

    `name` is its bare key, `begun` the last entry that it may depend on, or its own first one.
    """

    name: str
    entries: tuple[Entry, ...]
    begun: int

    @property
    def first(self) -> int:
        """The `seq` of its first entry."""
        return self.entries[0].seq

    @property
    def last(self) -> int:
        """The `seq` of its last entry."""
        return self.entries[-1].seq

    @property
    def key(self) -> str:
        """Its key as stored: the one that the effect ledger knows."""
        first = self.entries[0].key
        return f"{first[: len(first) - len(bare(first))]}{self.name}"

    @property
    def whole(self) -> bool:
        """Whether its outcome is there."""
        types = {entry.type for entry in self.entries}
        if _CALL.match(self.name):
            return EntryType.TOOL_RETURNED in types
        return EntryType.CHILD_STARTED not in types or EntryType.CHILD_ENDED in types

    @property
    def children(self) -> tuple[str, ...]:
        """The runs that work or worked for it."""
        return tuple(entry.body["run_id"] for entry in self.entries if entry.type is EntryType.CHILD_STARTED)


def commands(found: Mapping[str, Entry]) -> dict[str, Command]:
    """Standing entries by the command that they are about, in the order in which the commands began."""
    grouped: dict[str, list[Entry]] = {}
    for key, entry in found.items():
        grouped.setdefault(command_of(key, entry.type), []).append(entry)
    made = (Command(name, tuple(group), _begun(name, group, found)) for name, group in grouped.items())
    return {command.name: command for command in made}


def command_of(key: str, kind: EntryType) -> str:
    """The name of the command that an entry under this bare key is about."""
    if call := _CALL.match(key):
        return call[0]
    return key.removesuffix("/end") if kind is EntryType.CHILD_ENDED else key


def _begun(name: str, group: list[Entry], found: Mapping[str, Entry]) -> int:
    """Calls of one turn begin together, when the model has asked for them."""
    call = _CALL.match(name)
    asked = found.get(f"{call[1]}/model") if call else None
    return asked.seq if asked else group[0].seq


# -- points ----------------------------------------------------------------------------------------------------------


def kept_from(found: Mapping[str, Entry], command: str) -> dict[str, Command]:
    """What is kept when this command is done again: all that was begun before it had an outcome."""
    known = commands(found)
    again = known[command]
    return {
        name: kept for name, kept in known.items() if kept.whole and name != command and not _after(kept, again.last)
    }


def kept_before(found: Mapping[str, Entry], seq: int) -> dict[str, Command]:
    """What is kept when everything from this place in the journal on is done again."""
    return {name: kept for name, kept in commands(found).items() if kept.whole and kept.last < seq}


def kept_at(found: Mapping[str, Entry], point: Entry) -> dict[str, Command]:
    """What is kept by a fork from an entry: everything but what came of it."""
    before = {key: entry for key, entry in found.items() if entry.seq <= point.seq}
    own = command_of(bare(point.key), point.type)
    known = commands(found)
    beside = {name: kept for name, kept in known.items() if name != own and kept.whole and not _after(kept, point.seq)}
    return {**{name: kept for name, kept in commands(before).items() if kept.whole}, **beside}


def _after(command: Command, seq: int) -> bool:
    return command.begun >= seq


_GO_ON = frozenset({ExitReason.DEFECT, ExitReason.DEADLINE, ExitReason.OPERATOR, ExitReason.BUDGET_EXCEEDED})
"""Reasons after which the journal ends where the trouble began: nothing in it needs to be done again."""


def where_it_failed(found: Mapping[str, Entry], reason: ExitReason) -> str | None:
    """The command to do again after this ending; None when the run goes on where its journal ends.

    That is the last child that did not complete, else the model's last word, or what a run without a model did last.
    """
    if reason in _GO_ON or not found:
        return None
    known = commands(found)
    for kind in (_failed_children, _model_turns):
        if names := [name for name, command in known.items() if kind(command)]:
            return max(names, key=lambda name: known[name].first)
    return max(known, key=lambda name: known[name].first)


def kept_after(found: Mapping[str, Entry], reason: ExitReason) -> dict[str, Command]:
    """What is kept when a run that ended like this goes on by itself.

    What was not begun because a budget was spent is tried again, and asked about again: somebody may have raised it.
    """
    kept = {name: command for name, command in commands(found).items() if command.whole}
    failed = where_it_failed(found, reason)
    again = [name for name, command in kept.items() if _unpaid(command)] if reason is ExitReason.BUDGET_EXCEEDED else []
    for name in [*again, *([failed] if failed else [])]:
        stays = kept_from(found, name)
        kept = {one: command for one, command in kept.items() if one in stays and not one.startswith(f"{name}/")}
    return kept


def _unpaid(command: Command) -> bool:
    body = command.entries[-1].body
    match command.entries[-1].type:
        case EntryType.MODEL_FAILED:
            return body["code"] in NO_MONEY
        case EntryType.TOOL_RETURNED:
            return body["result"]["status"] == ToolStatus.OVER_BUDGET
        case EntryType.CHILD_ENDED:
            return body["result"]["exit_reason"] == ExitReason.BUDGET_EXCEEDED
        case _:
            return False


def _failed_children(command: Command) -> bool:
    last = command.entries[-1]
    return last.type is EntryType.CHILD_ENDED and last.body["result"]["status"] != "completed"


def _model_turns(command: Command) -> bool:
    return command.entries[0].type in {EntryType.MODEL_REPLIED, EntryType.MODEL_FAILED, EntryType.CHILD_STARTED}

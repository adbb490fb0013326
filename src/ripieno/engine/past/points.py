"""Finds the place in a run's journal that a person means: by number, or by key with or without its generation."""

import difflib
from collections.abc import Mapping, Sequence

from ripieno.domain.entries import Entry
from ripieno.domain.errors import Invalid, NotFound, Problem
from ripieno.engine.core import standing
from ripieno.engine.core.standing import MARKS, Command, bare, commands

NEAR = 3


def kept(entries: Sequence[Entry], point: int | str, pointer: str) -> dict[str, Command]:
    """What a run that goes on from this entry keeps. Raises `Invalid`, and `NotFound` with near keys."""
    if isinstance(point, int):
        seq = by_seq(entries, point, pointer, least=0)
        before = standing.standing(entries[:seq])
        return {name: command for name, command in commands(before).items() if command.whole}
    found = standing.standing(entries)
    entry = by_key(entries, found, point)
    if found.get(bare(entry.key)) is not entry:
        found = standing.standing(entries[: entry.seq])
    return standing.kept_at(found, entry)


def by_seq(entries: Sequence[Entry], seq: int, pointer: str, *, least: int = 1) -> int:
    """The number, if the journal goes that far. Raises `Invalid`."""
    if least <= seq <= len(entries):
        return seq
    raise Invalid(f"there is no entry {seq}", [Problem(pointer, f"the journal has entries {least} to {len(entries)}")])


def by_key(entries: Sequence[Entry], found: Mapping[str, Entry], key: str) -> Entry:
    """The entry with this key, perhaps one that a retry has dropped; without a generation, the one that counts now.

    Raises:
        NotFound: With near keys.
    """
    for entry in entries:
        if entry.key == key and entry.type not in MARKS:
            return entry
    if entry := found.get(bare(key)):
        return entry
    raise NotFound("entry", key, near(key, [entry.key for entry in found.values()]))


def command_named(found: Mapping[str, Entry], key: str) -> str:
    """The command that this key is about: its own key, or one below it. Raises `NotFound` with near keys."""
    known = commands(found)
    wanted = bare(key)
    for name, command in known.items():
        if wanted == name or any(bare(entry.key) == wanted for entry in command.entries):
            return name
    raise NotFound("entry", key, near(key, [command.key for command in known.values()]))


def near(key: str, known: Sequence[str]) -> list[str]:
    """Keys that may have been meant: alike ones, else the last ones."""
    return difflib.get_close_matches(key, known, n=NEAR, cutoff=0.5) or list(known)[-NEAR:]

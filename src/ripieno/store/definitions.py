"""`ports.Definitions` over folders of YAML files, read again as they change.

A file that cannot be used is reported and never takes down another. A file that turns bad keeps its last good
version. Later folders override earlier ones, by agent name. A team that cannot work is reported and not offered.
"""

import asyncio
import difflib
import logging
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from ripieno.domain.agents import AgentDefinition, DefinitionProblem
from ripieno.domain.errors import Invalid, NotFound, Problem
from ripieno.domain.teams import Shortcoming, shortcomings
from ripieno.ports import Clock
from ripieno.store import definitions_file
from ripieno.store.definitions_file import AgentFile, Stamp

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
MOST_FILES = 2_000
SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """What the folders held at one moment. It is replaced whole, never changed.

    `agents` are those that can work; `broken` has the reasons why a team cannot, by its name.
    """

    files: Mapping[Path, AgentFile] = field(default_factory=dict[Path, AgentFile])
    agents: Mapping[str, AgentDefinition] = field(default_factory=dict[str, AgentDefinition])
    broken: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    problems: tuple[DefinitionProblem, ...] = ()


class FileDefinitions:
    """The agents in some folders; a folder that does not exist is an empty one."""

    def __init__(self, folders: Sequence[Path], clock: Clock) -> None:
        self._folders = tuple(folders)
        self._clock = clock
        self._snapshot = _Snapshot()

    async def load(self) -> None:
        """Read what is new or has changed since the last time; problems that are new are logged."""
        before = self._snapshot
        self._snapshot = await asyncio.to_thread(_look, self._folders, before)
        for problem in self._snapshot.problems:
            if problem not in before.problems:
                place = f"{problem.file}:{problem.line}" if problem.line else problem.file
                log.warning("%s: %s", place, problem.reason)

    async def watch(self) -> NoReturn:
        """Look for changed files once a second, until cancelled. Only what changed is read again."""
        while True:
            await self._clock.sleep(POLL_SECONDS)
            await self.load()

    async def agents(self) -> Sequence[AgentDefinition]:
        return [self._snapshot.agents[name] for name in sorted(self._snapshot.agents)]

    async def agent(self, name: str) -> AgentDefinition:
        known = self._snapshot.agents
        if reasons := self._snapshot.broken.get(name):
            problems = [Problem("/agent", reason) for reason in reasons]
            raise Invalid(f"the team {name} cannot work: {'; '.join(reasons)}", problems)
        if name not in known:
            raise NotFound("agent", name, difflib.get_close_matches(name, known, n=3, cutoff=0.5))
        return known[name]

    async def problems(self) -> Sequence[DefinitionProblem]:
        return self._snapshot.problems


def _look(folders: Sequence[Path], before: _Snapshot) -> _Snapshot:
    """The snapshot of now; the same object when nothing has changed."""
    files: dict[Path, AgentFile] = {}
    for folder in folders:
        for path, stamp in _listed(folder):
            known = before.files.get(path)
            files[path] = known if known and known.stamp == stamp else definitions_file.read(path, stamp, known)
    if files == before.files:
        return before
    agents, problems = _merged(folders, files)
    problems = [*(problem for file in files.values() for problem in file.problems), *problems]
    broken: dict[str, list[str]] = {}
    for team, file, found in _shortcomings(files, agents):
        broken.setdefault(team, []).append(found.reason)
        problems.append(file.shortcoming(found))
    working = {name: agent for name, agent in agents.items() if name not in broken}
    return _Snapshot(files, working, broken, tuple(problems))


def _listed(folder: Path) -> Iterator[tuple[Path, Stamp]]:
    """The folder's definition files, by name. Editors' hidden files are none."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES and path.name[0] != ".")
    except OSError:
        return
    for path in paths[:MOST_FILES]:
        try:
            found = path.stat()
        except OSError:  # gone meanwhile, or a link to nowhere
            continue
        if stat.S_ISREG(found.st_mode):
            yield path, Stamp(found.st_mtime_ns, found.st_size, found.st_ino)


def _merged(
    folders: Sequence[Path], files: Mapping[Path, AgentFile]
) -> tuple[dict[str, AgentDefinition], list[DefinitionProblem]]:
    agents: dict[str, AgentDefinition] = {}
    problems: list[DefinitionProblem] = []
    for folder in folders:
        owners: dict[str, AgentFile] = {}
        for file in files.values():
            if file.path.parent != folder or file.definition is None:
                continue
            first = owners.setdefault(file.definition.name, file)
            if first is file:
                agents[file.definition.name] = file.definition
            else:
                reason = f"{first.path.name} in the same folder already defines the agent {file.definition.name}"
                problems.append(file.problem(reason))
    return agents, problems


def _shortcomings(
    files: Mapping[Path, AgentFile], agents: Mapping[str, AgentDefinition]
) -> Iterator[tuple[str, AgentFile, Shortcoming]]:
    """Why teams cannot work; an overridden team is nobody's concern."""
    for file in files.values():
        team = file.definition
        if team is not None and agents.get(team.name) is team:
            for shortcoming in shortcomings(team, agents):
                yield team.name, file, shortcoming

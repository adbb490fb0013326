"""All tools in one list."""

import asyncio
import contextlib
import difflib
import logging
from collections.abc import Collection, Mapping, Sequence

from ripieno.domain.errors import RipienoError
from ripieno.domain.tools import ToolCall, ToolContext, ToolResult, ToolSpec, ToolStatus
from ripieno.ports import Toolset
from ripieno.tools.failures import unknown_tool
from ripieno.tools.specs import SpecIndex

_log = logging.getLogger(__name__)


class ToolRegistry:
    """One toolset out of many, given by name. Tool names stay as the toolsets give them.

    A toolset that cannot list is left out and named in `problems()`; the others go on. Put the rings around each
    toolset, not around the registry: then one that is slow to list never delays a call to another. `quick` names those
    that list from memory; the others list side by side.
    """

    def __init__(self, toolsets: Mapping[str, Toolset], quick: Collection[str] = ()) -> None:
        self._toolsets = dict(toolsets)
        self._slow = [name for name in toolsets if name not in quick]
        self._indexes = {name: SpecIndex(toolset) for name, toolset in toolsets.items()}
        self._broken: dict[str, str] = {}
        self._doubled: dict[str, str] = {}
        self._parts: Sequence[Sequence[ToolSpec]] = ()
        self._specs: tuple[ToolSpec, ...] = ()
        self._homes: dict[str, Toolset] = {}

    @property
    def names(self) -> Collection[str]:
        """The names of the toolsets."""
        return self._toolsets.keys()

    async def list(self, context: ToolContext) -> Sequence[ToolSpec]:
        slow = await self._list_slow(context)
        parts = [slow[name] if name in slow else await self._listed(name, context) for name in self._toolsets]
        if len(parts) != len(self._parts) or any(new is not old for new, old in zip(parts, self._parts, strict=True)):
            self._merge(parts)
        return self._specs

    async def _list_slow(self, context: ToolContext) -> Mapping[str, Sequence[ToolSpec]]:
        if not self._slow:
            return {}
        async with asyncio.TaskGroup() as group:
            tasks = {name: group.create_task(self._listed(name, context)) for name in self._slow}
        return {name: task.result() for name, task in tasks.items()}

    async def call(self, call: ToolCall, context: ToolContext) -> ToolResult:
        namesake = call.name.partition(".")[0]
        toolset = await self._home(namesake, call.name, context)
        if toolset is not None:
            return await toolset.call(call, context)
        if namesake in self._broken:
            return ToolResult(ToolStatus.UNAVAILABLE, f"{call.name} cannot be called: {self._broken[namesake]}.")
        return unknown_tool(call.name, near(call.name, list(self._homes)))

    def problems(self) -> Mapping[str, str]:
        """What was wrong at the last listing: a sentence for each toolset (or tool) that is left out."""
        return {**self._broken, **self._doubled}

    async def _home(self, namesake: str, tool: str, context: ToolContext) -> Toolset | None:
        """The toolset that has the tool; all are listed only where the one with the tool's prefix has it not."""
        index = self._indexes.get(namesake)
        with contextlib.suppress(Exception):  # told by the listing that follows
            if index is not None and await index.find(tool, context) is not None:
                return self._toolsets[namesake]
        await self.list(context)
        return self._homes.get(tool)

    async def _listed(self, name: str, context: ToolContext) -> Sequence[ToolSpec]:
        try:
            specs = await self._toolsets[name].list(context)
        except Exception as error:  # noqa: BLE001 - one broken toolset must not take down the others
            if name not in self._broken:
                _log.warning("toolset %s cannot list its tools", name, exc_info=error)
            why = error.detail if isinstance(error, RipienoError) else type(error).__name__
            self._broken[name] = f"toolset {name} cannot list its tools: {why}"
            return ()
        self._broken.pop(name, None)
        return specs

    def _merge(self, parts: Sequence[Sequence[ToolSpec]]) -> None:
        merged: list[ToolSpec] = []
        self._homes, self._doubled = {}, {}
        for (name, toolset), specs in zip(self._toolsets.items(), parts, strict=True):
            for spec in specs:
                if spec.name in self._homes:
                    self._doubled[spec.name] = f"toolset {name} has a second {spec.name}, which is left out"
                    continue
                self._homes[spec.name] = toolset
                merged.append(spec)
        self._parts, self._specs = parts, tuple(merged)


def near(name: str, names: Sequence[str]) -> list[str]:
    """Up to three names that may have been meant: by spelling, or by the part after the dot."""
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    last = name.rpartition(".")[2]
    same = [other for other in names if other.rpartition(".")[2] == last]
    return list(dict.fromkeys([*close, *same]))[:3]

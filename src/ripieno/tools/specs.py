"""Finding a tool's spec by name without building an index on every call."""

from collections.abc import Mapping, Sequence

from ripieno.domain.tools import ToolContext, ToolSpec
from ripieno.ports import Toolset


class SpecIndex:
    """The specs of a toolset by name, indexed anew only when the toolset lists other ones.

    Toolsets help by answering with the same sequence as long as nothing has changed.
    """

    def __init__(self, toolset: Toolset) -> None:
        self._toolset = toolset
        self._listed: Sequence[ToolSpec] = ()
        self._by_name: Mapping[str, ToolSpec] = {}

    async def find(self, name: str, context: ToolContext) -> ToolSpec | None:
        """The spec with this name, if there is one for this caller."""
        listed = await self._toolset.list(context)
        if listed is not self._listed:
            self._by_name = {spec.name: spec for spec in listed}
            self._listed = listed
        return self._by_name.get(name)

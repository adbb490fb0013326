"""The tools of everybody and those of one tenant, side by side."""

from collections.abc import Sequence
from pathlib import Path

from ripieno.domain.tools import ToolCall, ToolContext, ToolSpec
from ripieno.ports import Toolset
from ripieno.testing.recording_tools import RecordingTools
from ripieno.tools.joined import JoinedToolset

ACME, OTHER = (ToolContext(tenant, Path()) for tenant in ("acme", "other"))


class Own:
    """What one tenant has."""

    def __init__(self, tools: RecordingTools, listed: Sequence[ToolSpec]) -> None:
        self._tools = tools
        self._listed = listed

    def specs(self, tenant: str) -> Sequence[ToolSpec]:
        return self._listed if tenant == "acme" else ()

    def toolset(self, tenant: str, name: str) -> Toolset | None:
        return self._tools if (tenant, name) == ("acme", "pets") else None


async def joined() -> JoinedToolset:
    own = RecordingTools({"pets.get": lambda arguments: f"mine {arguments}"})
    shared = RecordingTools({"math.add": lambda arguments: f"shared {arguments}"})
    return JoinedToolset(shared, Own(own, await own.list(ACME)))


async def test_a_tenant_sees_its_own_beside_everybodys():
    tools = await joined()
    assert [spec.name for spec in await tools.list(ACME)] == ["math.add", "pets.get"]
    assert [spec.name for spec in await tools.list(OTHER)] == ["math.add"]
    assert await tools.list(ACME) is await tools.list(ACME)


async def test_a_call_goes_where_its_tool_is():
    tools = await joined()
    assert (await tools.call(ToolCall("c", "pets.get"), ACME)).text == "mine {}"
    assert (await tools.call(ToolCall("c", "math.add"), ACME)).text == "shared {}"
    assert (await tools.call(ToolCall("c", "pets.get"), OTHER)).status == "unknown_tool"

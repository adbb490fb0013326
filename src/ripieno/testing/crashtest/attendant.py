"""The person of a crash test: allows what is asked for, and looks at the world to say what became of a lost call."""

from contextlib import suppress
from dataclasses import replace

from ripieno.bootstrap import Platform
from ripieno.domain.errors import AlreadyDecided, InterruptExpired, StoreBusy
from ripieno.domain.filters import InterruptFilter
from ripieno.domain.interrupts import (
    Decision,
    DecisionKind,
    Interrupt,
    InterruptKind,
    InterruptStatus,
)
from ripieno.domain.jsons import Json
from ripieno.domain.principals import Principal
from ripieno.domain.tools import ToolCall, ToolContext
from ripieno.ports import Toolset
from ripieno.testing.crashtest.plans import TENANT, Recording
from ripieno.testing.crashtest.recording import as_recorded
from ripieno.testing.crashtest.witness import Witness

ATTENDANT = Principal("crashtest")
PAGE = 500


class Attendant:
    """Answers everything that runs ask, as it was answered in the `recording` where there is one.

    `tools` say what a call would have answered; asking them is not witnessed.
    """

    def __init__(
        self, platform: Platform, tools: Toolset, witness: Witness, recording: Recording | None = None
    ) -> None:
        self._platform = platform
        self._tools = tools
        self._witness = witness
        self._recording = recording

    async def attend(self) -> None:
        """Decide what is open now."""
        which = InterruptFilter(status=InterruptStatus.PENDING)
        for interrupt in await self._platform.ports.records.interrupts(TENANT, which, PAGE):
            decision = await self._decision(interrupt)
            with suppress(AlreadyDecided, InterruptExpired, StoreBusy):
                await self._platform.engine.decide(ATTENDANT, interrupt.id, decision)
                self._witness.tell("decided", run=interrupt.run_id, key=interrupt.key, kind=interrupt.kind.value)

    async def _decision(self, interrupt: Interrupt) -> Decision:
        said = as_recorded(self._recording, interrupt.key) if self._recording else None
        if said is not None and interrupt.kind is not InterruptKind.UNKNOWN_EFFECT:
            return replace(said, decided_by=ATTENDANT.id)
        match interrupt.kind:
            case InterruptKind.APPROVAL | InterruptKind.BUDGET:
                return Decision(DecisionKind.APPROVE, ATTENDANT.id)
            case InterruptKind.QUESTION:
                options = interrupt.request.get("options") or ["whatever you think best"]
                return Decision(DecisionKind.ANSWER, ATTENDANT.id, answer=options[0])
            case InterruptKind.UNKNOWN_EFFECT:
                return await self._what_happened(interrupt)

    async def _what_happened(self, interrupt: Interrupt) -> Decision:
        key, tool = interrupt.key.partition("/unknown/")[0], interrupt.request["tool"]
        if not self._witness.saw("called", run=interrupt.run_id, key=key, tool=tool):
            return Decision(DecisionKind.RETRY, ATTENDANT.id)
        answer = await self._what_it_said(tool, interrupt)
        return Decision(DecisionKind.COMMITTED, ATTENDANT.id, answer=answer)

    async def _what_it_said(self, tool: str, interrupt: Interrupt) -> Json:
        workspace = self._platform.ports.workspaces
        call = ToolCall("asked", tool, interrupt.request["arguments"])
        result = await self._tools.call(call, ToolContext(TENANT, workspace))
        return result.text if result.data is None else result.data

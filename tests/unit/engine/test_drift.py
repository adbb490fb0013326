"""An approval holds for what was shown, under the rules that asked for it, and once; the gate rules when it is used."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from ripieno import bootstrap
from ripieno.bootstrap import Platform, Ports
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.effects import EffectClass, EffectState
from ripieno.domain.errors import OwnRequest
from ripieno.domain.filters import InterruptFilter
from ripieno.domain.interrupts import Decision, DecisionKind, Interrupt, InterruptKind, InterruptStatus, OnExpiry, Terms
from ripieno.domain.policies import Action, Ruling, Verdict
from ripieno.domain.principals import Principal
from ripieno.domain.runs import TERMINAL, Run, RunStatus
from ripieno.domain.tools import ToolResult, ToolStatus
from ripieno.engine.api import StartRun
from ripieno.engine.worker import Options
from ripieno.ports import Gate
from ripieno.testing.platform import in_memory
from ripieno.testing.recording_tools import RecordingTools, Scripted
from ripieno.testing.scripted_model import ScriptedModel, calls, says

ALICE, BOB = Principal("alice"), Principal("bob")
PAYS = (calls(("shop.pay", {"eur": 3})), says("ok"))
AWAITS = frozenset({RunStatus.AWAITING_APPROVAL, RunStatus.AWAITING_INPUT, *TERMINAL})


@dataclass
class Ruled:
    """A gate that says one thing, until it is told another."""

    ruling: Ruling = Ruling.ASK
    version: str = "v1"

    def decide(self, action: Action) -> Verdict:
        del action
        return Verdict(self.ruling, ("because",), policy_version=self.version)


ASK, ASK_ANEW, ALLOW, DENY = (
    Ruled(),
    Ruled(version="v2"),
    Ruled(Ruling.ALLOW, "v2"),
    Ruled(Ruling.DENY, "v2"),
)


class Shop:
    """One run in a store that outlives the platforms that work on it."""

    def __init__(self, folder: Path, script: Any = PAYS, answer: Any = "paid", **fields: Any) -> None:
        effect = fields.pop("effect", EffectClass.IRREVERSIBLE)
        usual = fields.pop("usual", Terms())
        clerk = AgentDefinition.model_validate({"name": "clerk", "tools": ["*"], **fields})
        self.model = ScriptedModel(script)
        self.tools = RecordingTools({"shop.pay": Scripted(answer, effect=effect)})
        self.ports: Ports = replace(in_memory(self.model, self.tools, [clerk], folder).ports, approvals=usual)
        self.run: Run | None = None

    @asynccontextmanager
    async def under(self, gate: Gate) -> AsyncGenerator[Platform]:
        """A platform whose gate rules so; the run is started by the first one."""
        platform = bootstrap.assemble(replace(self.ports, gate=gate), Options())
        async with bootstrap.running(platform):
            self.run = self.run or await platform.engine.start(StartRun("go", agent="clerk"), ALICE)
            yield platform

    async def work(self, gate: Gate) -> Run:
        """Let it go on until it ends or waits for a person."""
        async with self.under(gate) as platform:
            return await self.stands(platform)

    async def stands(self, platform: Platform) -> Run:
        assert self.run is not None
        run = await platform.engine.wait("default", self.run.id, 20)
        assert run.status in AWAITS
        return run

    async def asked(self) -> list[Interrupt]:
        """All that was ever asked, oldest first."""
        return list(await self.ports.records.interrupts("default", InterruptFilter(), 9))[::-1]

    async def say(self, kind: DecisionKind, **fields: Any) -> Interrupt:
        """Decide what was asked last."""
        decision = Decision(kind, "bob", **fields)
        return await self.ports.journal.decide("default", (await self.asked())[-1].id, decision)

    async def nudge(self) -> None:
        """Wake the run for another reason than a decision."""
        assert self.run is not None
        await self.ports.journal.send("default", self.run.id, "note", {}, "note")

    async def states(self) -> list[EffectState]:
        assert self.run is not None
        return [effect.state for effect in await self.ports.records.effects("default", self.run.id)]

    async def shown(self) -> list[tuple[str, int]]:
        """What those who follow the run see of its questions, each with the question's number."""
        assert self.run is not None
        found = await self.ports.records.entries("default", self.run.id, 0, 99)
        about = [entry for entry in found if entry.type.startswith("interrupt.")]
        known = [asked.id for asked in await self.asked()]
        return [(entry.type.value, known.index(entry.body["interrupt_id"])) for entry in about]

    @property
    def told(self) -> str:
        """What the model was told about its call."""
        return self.model.requests[1].messages[-1].text


async def test_an_approval_under_the_same_rules_is_honoured(tmp_path: Path):
    shop = Shop(tmp_path)
    await shop.work(ASK)
    await shop.say(DecisionKind.APPROVE)
    assert (await shop.work(ASK)).status is RunStatus.COMPLETED
    assert len(shop.tools.calls) == len(await shop.asked()) == 1


async def test_an_approval_under_other_rules_is_asked_for_again(tmp_path: Path):
    shop = Shop(tmp_path)
    await shop.work(ASK)
    await shop.say(DecisionKind.APPROVE)
    assert (await shop.work(ASK_ANEW)).status is RunStatus.AWAITING_APPROVAL
    assert not shop.tools.calls
    first, second = await shop.asked()
    assert (first.status, second.status) == (InterruptStatus.APPROVED, InterruptStatus.PENDING)
    assert first.subject_hash != second.subject_hash
    assert second.request["policy_version"] == "v2"
    await shop.say(DecisionKind.APPROVE)
    assert (await shop.work(ASK_ANEW)).status is RunStatus.COMPLETED
    assert len(shop.tools.calls) == 1


async def test_a_question_under_other_rules_is_taken_back(tmp_path: Path):
    shop = Shop(tmp_path)
    await shop.work(ASK)
    for _ in range(2):
        await shop.nudge()
        await shop.work(ASK_ANEW)
    assert [asked.status for asked in await shop.asked()] == [InterruptStatus.VOID, InterruptStatus.PENDING]
    assert await shop.shown() == [("interrupt.opened", 0), ("interrupt.withdrawn", 0), ("interrupt.opened", 1)]


async def test_a_no_of_the_rules_wins_over_an_approval(tmp_path: Path):
    shop = Shop(tmp_path)
    await shop.work(ASK)
    await shop.say(DecisionKind.APPROVE)
    assert (await shop.work(DENY)).status is RunStatus.COMPLETED
    assert not shop.tools.calls
    assert shop.told == "denied: because"


async def test_nobody_is_asked_about_what_is_allowed_meanwhile(tmp_path: Path):
    shop = Shop(tmp_path)
    await shop.work(ASK)
    await shop.nudge()
    assert (await shop.work(ALLOW)).status is RunStatus.COMPLETED
    assert len(shop.tools.calls) == 1
    assert [asked.status for asked in await shop.asked()] == [InterruptStatus.VOID]
    assert await shop.shown() == [("interrupt.opened", 0), ("interrupt.withdrawn", 0)]


async def test_a_no_of_a_person_stands_though_the_rules_allow_it_meanwhile(tmp_path: Path):
    shop = Shop(tmp_path)
    await shop.work(ASK)
    await shop.say(DecisionKind.DENY, reason="too dear")
    assert (await shop.work(ALLOW)).status is RunStatus.COMPLETED
    assert not shop.tools.calls
    assert shop.told == "denied: bob said no: too dear"


async def test_an_approval_is_used_once(tmp_path: Path):
    shop = Shop(tmp_path, [calls(("shop.pay", {"eur": 3})), calls(("shop.pay", {"eur": 3})), says("ok")])
    await shop.work(ASK)
    await shop.say(DecisionKind.APPROVE)
    assert (await shop.work(ASK)).status is RunStatus.AWAITING_APPROVAL
    assert len(shop.tools.calls) == 1
    assert len(await shop.asked()) == 2


async def test_a_call_that_was_begun_is_not_asked_about_again(tmp_path: Path):
    begun = asyncio.Event()

    async def pay(_: dict[str, Any]) -> str:
        if not begun.is_set():
            begun.set()
            await asyncio.Event().wait()
        return "paid"

    shop = Shop(tmp_path, answer=pay, effect=EffectClass.IDEMPOTENT)
    await shop.work(ASK)
    await shop.say(DecisionKind.APPROVE, arguments={"eur": 2})
    async with shop.under(ASK):
        await begun.wait()
        await shop.ports.journal.recover()
    assert (await shop.work(ASK_ANEW)).status is RunStatus.COMPLETED
    assert shop.tools.arguments("shop.pay") == [{"eur": 2}, {"eur": 2}]
    assert len(await shop.asked()) == 1


async def test_rules_may_forbid_another_attempt(tmp_path: Path):
    gate = Ruled(Ruling.ALLOW)

    async def pay(_: dict[str, Any]) -> ToolResult:
        gate.ruling = Ruling.DENY
        return ToolResult(ToolStatus.TIMEOUT, "no answer")

    shop = Shop(tmp_path, answer=pay, effect=EffectClass.IDEMPOTENT)
    assert (await shop.work(gate)).status is RunStatus.COMPLETED
    assert (len(shop.tools.calls), await shop.states()) == (1, [EffectState.UNKNOWN])
    assert shop.told == "denied: because"


async def test_rules_may_forbid_what_a_person_would_try_again(tmp_path: Path):
    shop = Shop(tmp_path, answer=ToolResult(ToolStatus.TIMEOUT, "no answer"))
    await shop.work(ALLOW)
    (lost,) = await shop.asked()
    assert (lost.kind, list(lost.request["options"])) == (
        InterruptKind.UNKNOWN_EFFECT,
        ["committed", "retry", "abandon"],
    )
    await shop.say(DecisionKind.RETRY)
    assert (await shop.work(DENY)).status is RunStatus.COMPLETED
    assert (len(shop.tools.calls), await shop.states()) == (1, [EffectState.FAILED])


# -- on which terms ----------------------------------------------------------------------------------------------------


async def test_an_agents_terms_go_with_its_questions(tmp_path: Path):
    rule = {"tool": "shop.*", "required": 2, "four_eyes": True, "expires": "1h", "assignees": ["bob", "carol"]}
    shop = Shop(tmp_path, approvals=[rule])
    await shop.work(ASK)
    (asked,) = await shop.asked()
    assert asked.terms == Terms(2, True, ("bob", "carol"), 3600.0)
    assert asked.assignees == ("bob", "carol")
    assert asked.expires_at is not None
    assert (asked.expires_at - asked.created_at).total_seconds() == pytest.approx(3600, abs=60)
    await shop.say(DecisionKind.APPROVE)
    assert not shop.tools.calls
    await shop.ports.journal.decide("default", asked.id, Decision(DecisionKind.APPROVE, "carol"))
    assert (await shop.work(ASK)).status is RunStatus.COMPLETED


async def test_usual_terms_are_for_permissions_and_not_for_answers(tmp_path: Path):
    usual = Terms(2, True, ("bob",), 60.0, OnExpiry.CANCEL)
    script = [calls(("shop.pay", {"eur": 3}), ("person.ask", {"question": "which?"})), says("ok")]
    shop = Shop(tmp_path, script, usual=usual, tools=["*", "person.*"], approvals=["shop.pay"])
    await shop.work(shop.ports.gate)
    by_kind = {asked.kind: asked.terms for asked in await shop.asked()}
    assert by_kind == {
        InterruptKind.APPROVAL: usual,
        InterruptKind.QUESTION: replace(usual, required=1, exclude_requester=False, assignees=()),
    }


async def test_the_one_whose_run_it_is_may_not_approve(tmp_path: Path):
    shop = Shop(tmp_path, usual=Terms(exclude_requester=True))
    async with shop.under(ASK) as platform:
        await shop.stands(platform)
        (asked,) = await shop.asked()
        with pytest.raises(OwnRequest, match="alice started this run"):
            await platform.engine.decide(ALICE, asked.id, Decision(DecisionKind.APPROVE, "alice"))
        await platform.engine.decide(BOB, asked.id, Decision(DecisionKind.APPROVE, "bob"))
        assert (await shop.stands(platform)).status is RunStatus.COMPLETED

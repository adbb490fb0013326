"""A store that is away, a run that somebody else took, logic that breaks: the worker stays, and nothing is lost."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from ripieno import bootstrap
from ripieno.bootstrap import Platform
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.effects import EffectClass
from ripieno.domain.errors import IntentRefused, LegLost, NotFound, StoreBusy
from ripieno.domain.filters import InterruptFilter
from ripieno.domain.hints import Hint, HintKind
from ripieno.domain.interrupts import Decision, DecisionKind, InterruptKind
from ripieno.domain.messages import ModelEvent, ModelRequest, TextDelta
from ripieno.domain.policies import Action, Ruling, Verdict
from ripieno.domain.principals import Principal
from ripieno.domain.runs import ExitReason, RunKind, RunStatus
from ripieno.domain.tools import ToolContext, ToolSpec
from ripieno.engine.api import StartRun
from ripieno.engine.leg import Blocked, Leg
from ripieno.engine.performers.people import PeoplePerformer, Question
from ripieno.engine.worker import Options
from ripieno.ports import Gate, Journal, Model
from ripieno.testing.platform import in_memory
from ripieno.testing.recording_tools import RecordingTools, Scripted
from ripieno.testing.scripted_model import ScriptedModel, calls, says

ALICE = Principal("alice")
CLERK = AgentDefinition(name="clerk", tools=("*",))


class Troubled:
    """A journal in which the first calls of some verbs go wrong."""

    def __init__(self, inner: Journal, troubles: dict[str, list[Exception]]) -> None:
        self._inner = inner
        self._troubles = troubles

    def __getattr__(self, verb: str) -> Any:
        working = getattr(self._inner, verb)

        async def call(*arguments: Any) -> Any:
            if waiting := self._troubles.get(verb):
                raise waiting.pop(0)
            return await working(*arguments)

        return call


class Impatient:
    """A clock that never really waits, so that retries come at once."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.005))


def platform(tmp_path: Path, script: Any, tools: dict[str, Any] | None = None, **changes: Any) -> Platform:
    whole = in_memory(ScriptedModel(script), RecordingTools(tools or {}), [CLERK], tmp_path)
    return bootstrap.assemble(replace(whole.ports, **changes), Options(slots=1, poll_seconds=0.01))


def troubled(tmp_path: Path, script: Any, troubles: dict[str, list[Exception]]) -> Platform:
    whole = in_memory(ScriptedModel(script), RecordingTools({"a.b": "1"}), [CLERK], tmp_path)
    journal = cast("Journal", Troubled(whole.ports.journal, troubles))
    ports = replace(whole.ports, journal=journal, clock=cast("Any", Impatient(whole.ports.clock)))
    return bootstrap.assemble(ports, Options(slots=1, poll_seconds=0.01))


async def ended(running: Platform) -> RunStatus:
    run = await running.engine.start(StartRun("go", agent="clerk"), ALICE)
    return (await running.engine.wait("default", run.id, 20)).status


AWAY = StoreBusy("the disk is full")


@pytest.mark.parametrize(
    "troubles",
    [
        {"claim": [AWAY, AWAY]},
        {"append": [AWAY]},
        {"append": [AWAY], "release": [AWAY, AWAY]},
        {"finish": [AWAY]},
        {"pump": [AWAY, AWAY]},
    ],
    ids="+".join,
)
async def test_a_store_that_is_away_costs_time_and_nothing_else(tmp_path: Path, troubles: dict[str, list[Exception]]):
    script = [says("ok")] * 3
    async with bootstrap.running(troubled(tmp_path, script, troubles)) as running:
        assert await ended(running) is RunStatus.COMPLETED
        async with asyncio.timeout(10):
            while any(troubles.values()):
                await asyncio.sleep(0.002)


async def test_a_lost_leg_stops_and_touches_nothing(tmp_path: Path):
    troubles: dict[str, list[Exception]] = {"append": [LegLost("epoch 2 has begun")]}
    async with bootstrap.running(troubled(tmp_path, [says("ok")], troubles)) as running:
        run = await running.engine.start(StartRun("go", agent="clerk"), ALICE)
        async with asyncio.timeout(10):
            while troubles["append"] or running.worker.busy:
                await asyncio.sleep(0.002)
        assert (await running.ports.records.run("default", run.id)).status is RunStatus.RUNNING


async def test_a_run_that_was_lost_while_it_is_given_back_is_left_alone(tmp_path: Path):
    troubles: dict[str, list[Exception]] = {"append": [AWAY], "release": [LegLost("epoch 2 has begun")]}
    async with bootstrap.running(troubled(tmp_path, [says("ok")], troubles)) as running:
        await running.engine.start(StartRun("go", agent="clerk"), ALICE)
        async with asyncio.timeout(10):
            while troubles["release"] or running.worker.busy:
                await asyncio.sleep(0.002)


async def test_a_refused_intent_parks_the_run_without_stopping_other_calls(tmp_path: Path):
    script = [calls(("a.pay", {}), ("a.look", {})), says("ok")]
    tools = RecordingTools({"a.pay": Scripted("paid", effect=EffectClass.IRREVERSIBLE), "a.look": "1"})
    whole = in_memory(ScriptedModel(script), tools, [CLERK], tmp_path)
    first = True

    class Refusing(Troubled):
        def __getattr__(self, verb: str) -> Any:
            working = getattr(whole.ports.journal, verb)

            async def append(batch: Any) -> Any:
                nonlocal first
                if batch.intents and first:
                    first = False
                    await whole.ports.journal.pause("default", batch.run_id, "alice")
                    raise IntentRefused("the run is paused")
                return await working(batch)

            return append if verb == "append" else working

    journal = cast("Journal", Refusing(whole.ports.journal, {}))
    async with bootstrap.running(bootstrap.assemble(replace(whole.ports, journal=journal), Options())) as running:
        run = await running.engine.start(StartRun("go", agent="clerk"), ALICE)
        async with asyncio.timeout(10):
            while (await running.ports.records.run("default", run.id)).status is not RunStatus.PAUSED:
                await asyncio.sleep(0.002)
        assert [call.call.name for call in tools.calls] == ["a.look"]
        await running.engine.resume(ALICE, run.id)
        assert (await running.engine.wait("default", run.id, 20)).status is RunStatus.COMPLETED


async def test_more_runs_than_slots_all_get_their_turn(tmp_path: Path):
    async with bootstrap.running(platform(tmp_path, [says("ok")] * 8)) as running:
        runs = [await running.engine.start(StartRun(f"go {n}", agent="clerk"), ALICE) for n in range(8)]
        for run in runs:
            assert (await running.engine.wait("default", run.id, 20)).status is RunStatus.COMPLETED


async def test_a_model_that_never_replies_is_a_model_error(tmp_path: Path):
    class Silent:
        async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
            del request
            yield TextDelta("hm")

    async with bootstrap.running(platform(tmp_path, [], model=cast("Model", Silent()))) as running:
        run = await running.engine.start(StartRun("go", agent="clerk"), ALICE)
        found = await running.engine.wait("default", run.id, 20)
    assert found.exit_reason is ExitReason.MODEL_ERROR


class Forbidding:
    """Denies what costs over 10, asks about the rest."""

    def decide(self, action: Action) -> Verdict:
        if action.arguments.get("eur", 0) > 10:
            return Verdict(Ruling.DENY, ("too dear",))
        return Verdict(Ruling.ASK, ("it costs",)) if action.arguments else Verdict(Ruling.DENY)


async def test_what_policy_denies_is_told_and_not_done(tmp_path: Path):
    tools = {"a.pay": Scripted("paid", effect=EffectClass.IRREVERSIBLE)}
    whole = in_memory(
        model := ScriptedModel([calls(("a.pay", {"eur": 90}), ("a.pay", {})), says("no")]),
        recording := RecordingTools(tools),
        [CLERK],
        tmp_path,
    )
    gate = cast("Gate", Forbidding())
    async with bootstrap.running(bootstrap.assemble(replace(whole.ports, gate=gate), Options())) as running:
        assert await ended(running) is RunStatus.COMPLETED
    assert not recording.calls
    told = [message.text for message in model.requests[1].messages if message.role == "tool"]
    assert told == ["denied: too dear", "denied: policy forbids it"]


async def test_edited_arguments_go_through_the_gate_again(tmp_path: Path):
    model = ScriptedModel([calls(("a.pay", {"eur": 3})), says("no")])
    recording = RecordingTools({"a.pay": Scripted("paid", effect=EffectClass.IRREVERSIBLE)})
    whole = in_memory(model, recording, [CLERK], tmp_path)
    gate = cast("Gate", Forbidding())
    async with bootstrap.running(bootstrap.assemble(replace(whole.ports, gate=gate), Options())) as running:
        run = await running.engine.start(StartRun("go", agent="clerk"), ALICE)
        await running.engine.wait("default", run.id, 20)
        interrupt = await running.engine.open_interrupt("default", run.id, None, None)
        await running.engine.decide(ALICE, interrupt.id, Decision(DecisionKind.APPROVE, "bob", arguments={"eur": 50}))
        await running.engine.wait("default", run.id, 20)
    assert not recording.calls
    assert model.requests[1].messages[-1].text == "denied: policy forbids the edited arguments"


async def test_a_team_with_a_member_that_does_not_exist_fails_clearly(tmp_path: Path):
    team = AgentDefinition.model_validate({"name": "ops", "mode": "collaborative", "members": ["ghost"]})
    whole = in_memory(ScriptedModel([]), RecordingTools({}), [team], tmp_path)
    async with bootstrap.running(whole) as running:
        run = await running.engine.start(StartRun("go", agent="ops"), ALICE)
        found = await running.engine.wait("default", run.id, 20)
    assert found.kind is RunKind.TEAM
    assert found.result is not None
    assert found.result.error is not None
    assert found.result.error.code == "not_found"


async def test_without_any_agent_nothing_matches(tmp_path: Path):
    whole = in_memory(ScriptedModel([]), RecordingTools({}), [], tmp_path)
    with pytest.raises(NotFound):
        await whole.engine.match("default", "go")


def test_a_tools_name_on_the_wire_has_no_dot():
    assert ToolSpec("a.b", "", {}).wire_name == "a__b"


class Appearing(RecordingTools):
    """A toolset that lists nothing at times, as a server does that is being started."""

    away = False

    async def list(self, context: ToolContext) -> Sequence[ToolSpec]:
        return () if self.away else await super().list(context)


@pytest.mark.parametrize(("verdict", "made"), [(DecisionKind.DENY, 0), (DecisionKind.APPROVE, 1)])
async def test_a_decision_holds_although_the_toolset_was_away_meanwhile(
    tmp_path: Path, verdict: DecisionKind, made: int
):
    tools = Appearing({"a.pay": Scripted("paid", effect=EffectClass.IRREVERSIBLE)})
    clerk = CLERK.model_copy(update={"approvals": ("a.pay",)})
    model = ScriptedModel([calls(("a.pay", {"eur": 3})), says("ok")])
    platform = in_memory(model, tools, [clerk], tmp_path)
    async with bootstrap.running(platform):
        run = await platform.engine.start(StartRun("go", agent="clerk"), ALICE)
        await platform.engine.wait("default", run.id, 20)
    tools.away = True
    async with bootstrap.running(bootstrap.assemble(platform.ports, Options())) as again:
        interrupt = await again.engine.open_interrupt("default", run.id, None, None)
        await again.engine.decide(ALICE, interrupt.id, Decision(verdict, "bob"))
        assert (await again.engine.wait("default", run.id, 20)).status is RunStatus.COMPLETED
    assert len(tools.calls) == made
    effects = await platform.ports.records.effects("default", run.id)
    assert [effect.idempotency_key for effect in effects] == [call.context.idempotency_key for call in tools.calls]


async def test_a_decision_about_another_subject_does_not_count(tmp_path: Path):
    whole = in_memory(ScriptedModel([]), RecordingTools({}), [CLERK], tmp_path)
    await whole.engine.start(StartRun("go", agent="clerk"), ALICE)
    (claimed,) = await whole.ports.journal.claim("w", 1)
    leg, people = Leg(claimed, whole.ports.journal), PeoplePerformer(whole.ports.clock)
    shown = Question(InterruptKind.APPROVAL, "hash of 3 EUR", {}, "low", ())
    with pytest.raises(Blocked):
        await people.ask(leg, "key", shown)
    (interrupt,) = await whole.ports.records.interrupts("default", InterruptFilter(), 10)
    await whole.engine.decide(ALICE, interrupt.id, Decision(DecisionKind.APPROVE, "bob"))
    await leg.refresh()
    with pytest.raises(Blocked):
        await people.ask(leg, "key", replace(shown, subject_hash="hash of 3000 EUR"))
    assert len(await whole.ports.records.interrupts("default", InterruptFilter(), 10)) == 2
    assert (await people.ask(leg, "key", shown)).decided_by == "bob"


async def test_a_leg_whose_run_has_another_owner_stops_in_the_middle_of_its_call(tmp_path: Path):
    begun = asyncio.Event()

    async def slow(_: object) -> str:
        begun.set()
        await asyncio.Event().wait()
        return "never"

    whole = in_memory(ScriptedModel([calls(("a.b", {}))]), RecordingTools({"a.b": slow}), [CLERK], tmp_path)
    async with bootstrap.running(whole):
        run = await whole.engine.start(StartRun("go", agent="clerk"), ALICE)
        await begun.wait()
        await whole.ports.journal.recover()
        whole.ports.dispatch.publish([Hint(HintKind.CONTROL, run.id)])
        whole.worker.stop()
        async with asyncio.timeout(10):
            while whole.worker.busy:
                await asyncio.sleep(0.002)
    found = await whole.ports.records.run("default", run.id)
    assert (found.status, found.epoch) == (RunStatus.QUEUED, 2)

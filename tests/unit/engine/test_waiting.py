"""Agents that sleep, wait for signals, and write to each other."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias, cast

import pytest

from ripieno import bootstrap
from ripieno.bootstrap import Platform
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.batches import Append
from ripieno.domain.entries import Entry, EntryType
from ripieno.domain.errors import NotFound, RunEnded, StoreBusy
from ripieno.domain.messages import ModelRequest, Reply, ToolMessage
from ripieno.domain.principals import Principal
from ripieno.domain.runs import Run, RunStatus
from ripieno.engine.api import StartRun
from ripieno.engine.post import Outgoing
from ripieno.engine.worker import Options
from ripieno.ports import Journal
from ripieno.testing.platform import in_memory
from ripieno.testing.recording_tools import RecordingTools
from ripieno.testing.scripted_model import ScriptedModel, calls, says, turn_of

ALICE = Principal("alice")
Wish: TypeAlias = tuple[str, dict[str, Any]]
RECEIVE: Wish = ("message.receive", {})


def quotes(request: ModelRequest) -> Reply:
    return says(" | ".join(message.text for message in request.messages if isinstance(message, ToolMessage)))


def uses(*wishes: Wish) -> list[Any]:
    return [calls(*wishes), quotes]


OWN = ["run.*", "message.*"]


async def resting(bench: Any, run: Run) -> Run:
    """The run, parked, with no task left for it."""
    found = await bench.until(run, RunStatus.WAITING)
    async with asyncio.timeout(20):
        while not bench.idle():
            await asyncio.sleep(0.001)
    return found


async def answer(bench: Any, run: Run) -> str:
    found = await bench.ended(run)
    assert found.status is RunStatus.COMPLETED, found.result
    return found.result.answer


def data_of(entries: Any) -> Any:
    return next(entry.body["result"]["data"] for entry in entries if entry.type is EntryType.TOOL_RETURNED)


async def test_a_sleeping_run_is_a_row_that_time_wakes(make: Any):
    bench = await make(uses(("run.sleep", {"seconds": 0.05})), tools=OWN)
    run = await bench.start()
    assert (await answer(bench, run)).startswith("it is 20")
    kinds = [entry.type for entry in await bench.entries(run)]
    assert kinds[2:5] == [EntryType.WAIT_BEGAN, EntryType.WAIT_ENDED, EntryType.TOOL_RETURNED]


async def test_sleep_until_a_moment(make: Any):
    bench = await make(uses(("run.sleep", {"until": "2020-01-01T00:00:00Z"})), tools=OWN)
    assert (await answer(bench, await bench.start())).startswith("it is 20")


async def test_a_sleeping_run_says_until_when(make: Any):
    bench = await make(uses(("run.sleep", {"seconds": 3600})), tools=OWN)
    run = await resting(bench, await bench.start())
    (wait,) = run.waits
    assert wait["for"] == "timer"
    assert run.wake_at is not None
    assert wait["until"] == run.wake_at.isoformat()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"until": "tomorrow"}, "/until: give a time"),
        ({"until": "2999-01-01"}, "more than a year"),
        ({}, "oneOf"),
        ({"seconds": -1}, "/seconds"),
        ({"seconds": 1e12}, "/seconds"),
    ],
)
async def test_a_time_that_is_none_is_told_to_the_model(make: Any, arguments: Any, why: str):
    bench = await make(uses(("run.sleep", arguments)), tools=OWN)
    told = await answer(bench, await bench.start())
    assert told.startswith("invalid_arguments")
    assert why in told


async def test_a_signal_wakes_the_run_that_waits_for_its_topic(make: Any):
    bench = await make(uses(("run.wait_event", {"topic": "paid"})), tools=OWN)
    run = await bench.start()
    assert (await resting(bench, run)).waits == ({"for": "event", "topic": "paid", "until": None},)
    post = bench.platform.post
    await post.signal(ALICE, run.id, "shipped", {})
    await resting(bench, run)
    assert await post.signal(ALICE, run.id, "paid", {"eur": 3}, "k") == 2
    assert await post.signal(ALICE, run.id, "paid", {"eur": 3}, "k") == 2
    assert await answer(bench, run) == '{"data":{"eur":3},"from":"alice","topic":"paid"}'
    assert data_of(await bench.entries(run)) == {
        "came": True,
        "topic": "paid",
        "data": {"eur": 3},
        "from": "alice",
    }
    with pytest.raises(RunEnded):
        await post.signal(ALICE, run.id, "paid", {})
    with pytest.raises(NotFound):
        await post.signal(Principal("eve", "other"), run.id, "paid", {})


async def test_signals_that_came_early_count_in_order_and_each_once(make: Any):
    wishes: list[Wish] = [("run.wait_event", {"topic": "n", "timeout": 0})] * 3
    bench = await make([calls(("run.wait_event", {"topic": "go"})), calls(*wishes), quotes], tools=OWN)
    run = await bench.start()
    await resting(bench, run)
    for n in (1, 2):
        await bench.platform.post.signal(ALICE, run.id, "n", n)
    await bench.platform.post.signal(ALICE, run.id, "go", None)
    _, *told = (await answer(bench, run)).split(" | ")
    signals = [f'{{"data":{n},"from":"alice","topic":"n"}}' for n in (1, 2)]
    assert sorted(told) == ["nothing came in time", *signals]


@pytest.mark.parametrize("wish", [("run.wait_event", {"topic": "x"}), RECEIVE])
async def test_a_wait_whose_time_is_up_says_that_nothing_came(make: Any, wish: Any):
    tool, arguments = wish
    bench = await make(uses((tool, {**arguments, "timeout": 0.05})), tools=OWN)
    run = await bench.start()
    assert await answer(bench, run) == "nothing came in time"
    assert data_of(await bench.entries(run)) == {"came": False}
    ended = next(entry for entry in await bench.entries(run) if entry.type is EntryType.WAIT_ENDED)
    assert ended.body == {"came": None}


async def test_a_message_to_a_run(make: Any):
    bench = await make(uses(("message.receive", {})), tools=OWN)
    run = await bench.start()
    await resting(bench, run)
    sent = await bench.platform.post.send("default", Outgoing(run.id, "hello", "bob", reply_to="msg_0"))
    assert sent.n == 1
    told = await answer(bench, run)
    assert '"body":"hello"' in told
    assert '"from":"bob"' in told
    assert '"reply_to":"msg_0"' in told
    with pytest.raises(RunEnded):
        await bench.platform.post.send("default", Outgoing(run.id, "hello", "bob"))


async def test_a_message_to_an_agent_goes_to_one_of_its_runs(make: Any):
    def receives(request: ModelRequest) -> Reply:
        return quotes(request) if turn_of(request) else calls(("message.receive", {}))

    bench = await make(receives, tools=OWN)
    first, second = await bench.start(), await bench.start()
    for run in (first, second):
        await resting(bench, run)
    await bench.platform.post.send("default", Outgoing("clerk", {"n": 1}, "bob"))
    await bench.platform.post.send("default", Outgoing("clerk", {"n": 2}, "bob"))
    answers = {await answer(bench, first), await answer(bench, second)}
    assert len(answers) == 2
    assert all(any(f'"n":{n}' in text for text in answers) for n in (1, 2))


async def test_a_message_that_comes_while_another_tool_runs_is_heard(make: Any, gate_tool: Any):
    tool, begun, may = gate_tool()
    bench = await make(uses(("shop.look", {}), ("message.receive", {})), {"shop.look": tool}, tools=[*OWN, "shop.*"])
    run = await bench.start()
    await begun.wait()
    await bench.platform.post.send("default", Outgoing("clerk", "now", "bob"))
    async with asyncio.timeout(20):
        while not any(entry.type is EntryType.WAIT_ENDED for entry in await bench.entries(run)):
            await asyncio.sleep(0.002)
    may.set()
    assert '"body":"now"' in await answer(bench, run)


async def test_a_message_to_a_session(make: Any):
    bench = await make(uses(("message.receive", {})), tools=OWN)
    run = await bench.start()
    await resting(bench, run)
    await bench.platform.post.send("default", Outgoing(run.session_id, "psst", "bob"))
    assert '"body":"psst"' in await answer(bench, run)
    with pytest.raises(NotFound):
        await bench.platform.post.send("default", Outgoing("ses_nobody", "psst", "bob"))


@pytest.mark.parametrize(("to", "why"), [("clerc", "did you mean clerk"), ("run_nobody", "no run")])
async def test_a_message_to_nobody_is_told_to_the_model(make: Any, to: str, why: str):
    bench = await make(uses(("message.send", {"to": to, "body": "hello"})), tools=OWN)
    told = await answer(bench, await bench.start())
    assert told.startswith("error: ")
    assert why in told


async def test_a_dry_run_sends_nothing(make: Any):
    bench = await make(uses(("message.send", {"to": "clerk", "body": "hello"})), tools=OWN)
    told = await answer(bench, await bench.start(dry_run=True))
    assert told == "dry run: a message would be sent to clerk"
    assert await bench.platform.receiving.unread(ALICE, "clerk", 10, 0) == []


class CutOnce:
    """A journal whose answer to one commit is lost: the leg gives its run back, and the next one finds the entry."""

    def __init__(self, inner: Journal, after: EntryType) -> None:
        self._inner = inner
        self._after: EntryType | None = after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def append(self, batch: Append) -> Sequence[Entry]:
        written = await self._inner.append(batch)
        if self._after in {entry.type for entry in batch.entries}:
            self._after = None
            raise StoreBusy("the line was cut")
        return written


@pytest.mark.parametrize("after", [EntryType.WAIT_BEGAN, EntryType.WAIT_ENDED])
@pytest.mark.parametrize(
    ("wish", "told"),
    [
        (("run.sleep", {"seconds": 0}), "it is 20"),
        (("run.wait_event", {"topic": "x"}), '{"data":1,'),
        (RECEIVE, '{"body":"first"'),
    ],
)
async def test_a_wait_that_was_cut_off_ends_once(tmp_path: Path, after: EntryType, wish: Any, told: str):
    clerk = AgentDefinition(name="clerk", tools=("run.*", "message.*"))
    platform = in_memory(ScriptedModel(uses(wish), per_conversation=True), RecordingTools({}), [clerk], tmp_path)
    journal = cast("Journal", CutOnce(platform.ports.journal, after))
    platform = bootstrap.assemble(replace(platform.ports, journal=journal), Options())
    for body in ("first", "second"):
        await platform.post.send("default", Outgoing("clerk", body, "bob"))
    run = await platform.engine.start(StartRun("go", agent="clerk"), ALICE)
    for data in (1, 2):
        await platform.post.signal(ALICE, run.id, "x", data)
    async with bootstrap.running(platform):
        found = await platform.engine.wait("default", run.id, 20)
    assert found.result is not None
    assert found.result.answer.startswith(told)
    assert found.epoch == 2


def ping_pong(request: ModelRequest) -> Reply:
    """The boss writes to the clerk's run and waits for its answer; the clerk answers whoever writes."""
    told = [message.text for message in request.messages if isinstance(message, ToolMessage)]
    boss = "boss" in request.messages[0].text
    if not told:
        wish: Wish = ("message.send", {"to": "clerk", "body": "ping"}) if boss else RECEIVE
        return calls(wish)
    if len(told) == 1 and boss:
        return calls(("message.receive", {}))
    if len(told) == 1:
        return calls(("message.send", {"to": "boss", "body": "pong", "reply_to": "x"}))
    return says(told[-1])


async def test_two_agents_on_two_workers_talk(tmp_path: Path):
    agents = [AgentDefinition(name=name, instructions=name, tools=("message.*",)) for name in ("boss", "clerk")]
    here = in_memory(ScriptedModel(ping_pong), RecordingTools({}), agents, tmp_path)
    there: Platform = bootstrap.assemble(here.ports, Options())
    async with bootstrap.running(here), bootstrap.running(there):
        clerk = await here.engine.start(StartRun("go", agent="clerk"), ALICE)
        boss = await there.engine.start(StartRun("go", agent="boss"), ALICE)
        found = await there.engine.wait("default", boss.id, 20)
        await here.engine.wait("default", clerk.id, 20)
    assert found.result is not None
    assert '"body":"pong"' in found.result.answer
    assert '"from":"clerk"' in found.result.answer

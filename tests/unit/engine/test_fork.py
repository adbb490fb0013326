"""Fork: a new run from an entry of another one; nothing that it inherits is done again."""

from typing import Any

import pytest

from ripieno.domain.effects import EffectClass, EffectState
from ripieno.domain.entries import EntryType
from ripieno.domain.errors import Invalid, NotFound
from ripieno.domain.interrupts import DecisionKind
from ripieno.domain.messages import UserMessage
from ripieno.domain.runs import Run, RunStatus
from ripieno.engine.core.comparison import Likeness
from ripieno.engine.past.fork import ForkWish
from ripieno.engine.past.retry import RetryWish
from ripieno.testing.recording_tools import Scripted
from ripieno.testing.scripted_model import calls, says
from tests.unit.engine.conftest import ALICE, Bench, Make

PAY = Scripted("paid", effect=EffectClass.IRREVERSIBLE)
PAYS = [calls(("shop.pay", {"eur": 3})), says("Paid."), says("Paid, says the fork.")]


async def fork(bench: Bench, run: Run, start: int | str, **wish: Any) -> Run:
    return await bench.platform.past.fork(ALICE, run.id, ForkWish(start, wish.pop("changes", {}), **wish))


async def test_inherits_effects_and_does_not_repeat_them(make: Make):
    bench = await make(PAYS, {"shop.pay": PAY})
    run = await bench.ended(await bench.start(metadata={"case": 7}))
    copy = await fork(bench, run, "g1/turn/1/call/0")
    assert (copy.parent_id, copy.root_id, copy.session_id, copy.metadata) == (
        None,
        copy.id,
        run.session_id,
        {"case": 7},
    )
    ended = await bench.ended(copy)
    assert ended.result is not None
    assert ended.result.answer == "Paid, says the fork."
    assert len(bench.tools.calls) == 1
    (effect,) = await bench.platform.ports.records.effects("default", copy.id)
    assert (effect.state, effect.run_id) == (EffectState.INHERITED, copy.id)
    assert await bench.keys(copy) == [
        "g1/start",
        "g1/turn/1/model",
        "g1/turn/1/call/0/intent/1",
        "g1/turn/1/call/0",
        "g1/fork",
        "g1/turn/2/model",
        "end",
    ]
    mark = (await bench.entries(copy))[4]
    assert (mark.type, mark.body["source_id"], mark.body["copied"]) == (EntryType.RUN_FORKED, run.id, 3)
    assert (await bench.ended(run)) == run


async def test_another_goal_model_and_agent_version(make: Make):
    bench = await make([says("one"), says("two")], instructions="Do {{ goal }}.")
    run = await bench.ended(await bench.start("this", context={"a": 1}))
    changed = await fork(bench, run, 1, changes={"goal": "that", "data": {"n": 1}}, model="better")
    await bench.ended(changed)
    request = bench.model.requests[-1]
    assert request.model == "better"
    assert [message.text for message in request.messages] == ["Do that.", "that"]
    asked = request.messages[-1]
    assert isinstance(asked, UserMessage)
    assert asked.data == {"n": 1, "context": {"a": 1}}
    with pytest.raises(NotFound) as unknown:
        await fork(bench, run, 1, agent_version="abc")
    assert run.target_version in unknown.value.near
    same = await fork(bench, run, 1, agent_version="current")
    assert same.target_version == run.target_version
    await bench.platform.engine.cancel(ALICE, same.id)


async def test_from_nothing_pins_anew(make: Make):
    bench = await make([says("one"), says("two")])
    run = await bench.ended(await bench.start())
    copy = await bench.ended(await fork(bench, run, 0, dry_run=True))
    assert copy.dry_run
    assert await bench.keys(copy) == ["g1/fork", "g1/start", "g1/turn/1/model", "end"]


async def test_an_open_question_is_asked_again_under_a_new_id(make: Make):
    bench = await make([calls(("shop.pay", {})), says("x"), says("y")], {"shop.pay": PAY}, approvals=["shop.pay"])
    run = await bench.start()
    asked = await bench.asked(run)
    copy = await fork(bench, run, asked.key)
    again = await bench.asked(copy)
    assert (again.id != asked.id, again.request) == (True, asked.request)
    await bench.decide(again, DecisionKind.APPROVE)
    assert (await bench.ended(copy)).status is RunStatus.COMPLETED
    assert (await bench.platform.engine.open_interrupt("default", run.id, None, None)).id == asked.id


async def test_calls_beside_the_point_are_kept(make: Make):
    script = [calls(("math.add", {}), ("math.sub", {})), says("x"), says("y")]
    bench = await make(script, {"math.add": 3, "math.sub": 1})
    run = await bench.ended(await bench.start())
    copy = await bench.ended(await fork(bench, run, "turn/1/call/0"))
    assert copy.status is RunStatus.COMPLETED
    assert len(bench.tools.calls) == 2
    copy = await bench.ended(await fork(bench, run, 3))
    assert len(bench.tools.calls) == 3


async def test_a_place_that_a_retry_has_dropped(make: Make):
    bench = await make([says("one"), says("two"), says("three")])
    run = await bench.ended(await bench.start())
    await bench.platform.past.retry(ALICE, run.id, RetryWish("turn/1/model"))
    await bench.ended(run)
    copy = await bench.ended(await fork(bench, run, "g1/turn/1/model"))
    assert copy.result is not None
    assert copy.result.answer == "one"


async def test_places_that_do_not_exist(make: Make):
    bench = await make([says("one")])
    run = await bench.ended(await bench.start())
    with pytest.raises(NotFound) as missing:
        await fork(bench, run, "g1/turn/1/modal")
    assert missing.value.near == ("g1/turn/1/model",)
    for seq in (-1, 99):
        with pytest.raises(Invalid):
            await fork(bench, run, seq)


async def test_the_same_id_is_the_same_fork(make: Make):
    bench = await make([says("one"), says("two")])
    run = await bench.ended(await bench.start())
    wish = ForkWish(1, {})
    new_id = bench.platform.ports.clock.new_id("run")
    first = await bench.platform.past.fork(ALICE, run.id, wish, new_id)
    again = await bench.platform.past.fork(ALICE, run.id, wish, new_id)
    assert first.id == again.id == new_id
    await bench.ended(first)


async def test_diff_says_where_runs_part(make: Make):
    bench = await make(PAYS, {"shop.pay": PAY})
    run = await bench.ended(await bench.start())
    copy = await bench.ended(await fork(bench, run, "turn/1/call/0"))
    found = await bench.platform.past.diff(ALICE, run.id, copy.id)
    assert found.diverges_at == "turn/2/model"
    assert (found.count(Likeness.SAME), found.count(Likeness.CHANGED)) == (4, 2)
    alone = await bench.platform.past.diff(ALICE, run.id, run.id)
    assert (alone.diverges_at, alone.count(Likeness.SAME)) == (None, 6)

"""Two messages in one session, over HTTP."""

from typing import Any

import pytest

from tests.unit.server.doors import Door, open_door


async def say(door: Door, how: str | None = None, status: int = 201, **more: Any) -> Any:
    strategy = {"multitask_strategy": how} if how else {}
    return await door.post("/v1/runs", {"goal": "a", **strategy, **more}, status)


async def test_second_message_stands_behind_the_first_by_default():
    async with open_door(works=False) as door:
        first = await say(door)
        second = await say(door, session_id=first["session_id"])
        assert (first["queued_behind"], second["queued_behind"]) == (None, first["run_id"])
        shown = await door.get(f"/v1/runs/{second['run_id']}")
        assert shown["queued_behind"] == first["run_id"]
        await door.post(f"/v1/runs/{first['run_id']}/cancel")
        assert (await door.get(f"/v1/runs/{second['run_id']}"))["queued_behind"] is None


async def test_rejected_message_is_told_which_run_is_in_the_way():
    async with open_door(works=False) as door:
        first = await say(door, "reject")
        problem = await say(door, "reject", 409, session_id=first["session_id"])
        assert (problem["code"], problem["run_id"]) == ("session_busy", first["run_id"])


@pytest.mark.parametrize("how", ["interrupt", "rollback"])
async def test_new_message_takes_the_place_of_the_old_one(how: str):
    async with open_door(works=False) as door:
        first = await say(door)
        second = await say(door, how, session_id=first["session_id"])
        old = await door.get(f"/v1/runs/{first['run_id']}")
        assert (old["status"], old["error"]["code"]) == ("cancelled", "cancelled")
        assert f"{how} by {second['run_id']}" in old["error"]["detail"]
        assert second["queued_behind"] is None


async def test_unknown_strategy_is_refused():
    async with open_door(works=False) as door:
        problem = await say(door, "shout", 422)
        assert [item["pointer"] for item in problem["errors"]] == ["/multitask_strategy"]

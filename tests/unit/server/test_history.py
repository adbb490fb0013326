"""Retry, fork and diff over HTTP."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ripieno.domain.effects import EffectClass
from ripieno.domain.errors import ModelRefused
from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.messages import ModelRequest, Reply
from ripieno.domain.tools import Compensation
from ripieno.testing.recording_tools import Scripted
from ripieno.testing.scripted_model import calls, says
from tests.unit.server.doors import PAYS, open_door

FAILS = [calls(("shop.pay", {"eur": 3})), ModelRefused("no credit"), says("Paid.")]


def shared(lines: Sequence[Reply | Exception]) -> Callable[[ModelRequest], Reply]:
    """A script that all conversations share, line by line."""
    left = list(lines)

    def answer(_: ModelRequest) -> Reply:
        line = left.pop(0)
        if isinstance(line, Exception):
            raise line
        return line

    return answer


async def test_retry_goes_on_and_the_stream_tells_both_generations():
    async with open_door(shared(FAILS)) as door:
        run = await door.post("/v1/runs?wait=20", {"goal": "pay"})
        assert run["status"] == "failed"
        again = await door.post(f"/v1/runs/{run['id']}/retry?wait=20")
        assert (again["status"], again["answer"]) == ("completed", "Paid.")
        shown = await door.get(f"/v1/runs/{run['id']}")
        assert (shown["generation"], shown["forked_from"]) == (2, None)
        stream = await door.client.get(f"/v1/runs/{run['id']}/events", headers={"Accept": "text/event-stream"})
        names = [line.removeprefix("event: ") for line in stream.text.splitlines() if line.startswith("event: ")]
        assert names[-5:] == ["run.failed", "run.retried", "model.replied", "run.completed", "end"]
        messages = await door.get(f"/v1/runs/{run['id']}/messages")
        assert [item["role"] for item in messages["data"]] == ["user", "assistant", "tool", "assistant"]
        log = await door.get(f"/v1/runs/{run['id']}/logs")
        assert any("retried by" in line["message"] for line in log["data"])


async def test_retry_of_what_is_done_is_refused_with_the_list():
    async with open_door(PAYS) as door:
        run = await door.post("/v1/runs?wait=20", {"goal": "pay"})
        path = f"/v1/runs/{run['id']}/retry"
        assert (await door.post(path, {}, 409))["code"] == "nothing_to_retry"
        refused = await door.post(path, {"from": "turn/1/call/0"}, 409)
        assert (refused["code"], [item["tool"] for item in refused["effects"]]) == ("effects_done", ["shop.pay"])
        assert (await door.post(path, {"from": "turn/1/call/0", "force": True}, 422))["errors"][0][
            "pointer"
        ] == "/reason"
        missing = await door.post(path, {"from": "turn/1/cal/0"}, 404)
        assert missing["near"][0] == "g1/turn/1/call/0"
        assert (await door.post(path, {"from": 99}, 422))["errors"][0]["pointer"] == "/from"
        bodies: tuple[JsonObject, ...] = ({"from": []}, {"effects": [{"key": "x", "outcome": "maybe"}]}, {"from": ""})
        for wrong in bodies:
            assert (await door.post(path, wrong, 422))["code"] == "invalid"
        assert (await door.post("/v1/runs/run_x/retry", {}, 404))["code"] == "not_found"


async def test_retry_of_a_run_that_goes_on():
    async with open_door(PAYS, works=False) as door:
        run = await door.post("/v1/runs", {"goal": "pay"}, 201)
        refused = await door.post(f"/v1/runs/{run['id']}/retry", {}, 409)
        assert (refused["code"], refused["active"], refused["run_id"]) == ("run_active", [run["id"]], run["id"])


async def test_fork_and_diff():
    async with open_door(PAYS) as door:
        run = await door.post("/v1/runs?wait=20", {"goal": "pay"})
        nowheres: tuple[Json, ...] = (-1, "", [], True, None)
        for nowhere in nowheres:
            refused = await door.post(f"/v1/runs/{run['id']}/fork", {"from": nowhere}, 422)
            assert [problem["pointer"] for problem in refused["errors"]] == ["/from"]
        body = {"from": "g1/turn/1/call/0", "model": "other", "context": {"a": 1}, "constraints": {"max_turns": 3}}
        headers = {"Idempotency-Key": "k1"}
        fork = await door.post(f"/v1/runs/{run['id']}/fork", body, 201, headers=headers)
        again = await door.post(f"/v1/runs/{run['id']}/fork", body, 201, headers=headers)
        assert fork["id"] == again["id"] != run["id"]
        await door.until(fork["id"], "completed")
        shown = await door.get(f"/v1/runs/{fork['id']}")
        assert (shown["forked_from"], shown["model"], shown["context"]) == (run["id"], "other", {"a": 1})
        (action,) = (await door.get(f"/v1/runs/{fork['id']}/actions"))["data"]
        assert (action["state"], action["tool"]) == ("inherited", "shop.pay")
        assert len(door.tools.calls) == 1
        found = await door.get(f"/v1/runs/{run['id']}/diff/{fork['id']}")
        assert (found["diverges_at"], found["a"], found["b"]) == ("start", run["id"], fork["id"])
        assert {pair["status"] for pair in found["data"]} == {"same", "changed"}
        log = await door.get(f"/v1/runs/{fork['id']}/logs")
        assert any(f"of {run['id']}" in line["message"] for line in log["data"])


async def test_fork_with_another_input():
    async with open_door([says("a")]) as door:
        run = await door.post("/v1/runs?wait=20", {"goal": "pay"})
        path = f"/v1/runs/{run['id']}/fork?wait=20"
        assert (await door.post(path, {"from": 1, "input": "other"}))["status"] == "completed"
        assert [message.text for message in door.model.requests[-1].messages][-1] == "other"
        fork = await door.post(path, {"from": 1, "input": {"goal": "third", "n": 3}})
        shown = await door.get(f"/v1/runs/{fork['id']}")
        assert (shown["goal"], shown["data"]) == ("third", {"goal": "third", "n": 3})


async def test_fork_of_nothing():
    async with open_door([says("a")]) as door:
        run = await door.post("/v1/runs?wait=20", {"goal": "pay"})
        path = f"/v1/runs/{run['id']}/fork"
        assert (await door.post(path, {"from": "g1/turn/7"}, 404))["code"] == "not_found"
        assert (await door.post(path, {"from": 1, "agent_version": "x"}, 404))["near"]
        for wrong in (
            {},
            {"from": 77},
            {"from": 1, "input": 3},
            {"from": 1, "input": " "},
            {"from": 1, "constraints": {"x": 1}},
        ):
            assert (await door.post(path, wrong, 422))["code"] == "invalid"
        assert (await door.post(path, {"from": 1, "workflow_version": 1}, 422))["code"] == "workflows_unavailable"
        assert (await door.post("/v1/runs/run_x/fork", {"from": 1}, 404))["code"] == "not_found"
        assert (await door.get(f"/v1/runs/{run['id']}/diff/run_x", 404))["code"] == "not_found"


REFUND = Compensation("shop.refund", {"eur": "${{ arguments.eur }}"})
SHOP: Mapping[str, Any] = {
    "shop.pay": Scripted("paid", effect=EffectClass.IRREVERSIBLE, compensate=REFUND),
    "shop.refund": Scripted("refunded", effect=EffectClass.IDEMPOTENT),
    "mail.send": Scripted("sent", effect=EffectClass.IRREVERSIBLE),
}


async def test_rollback_with_a_preview():
    async with open_door(PAYS, SHOP) as door:
        run = await door.post("/v1/runs?wait=20", {"goal": "pay"})
        path = f"/v1/runs/{run['id']}/rollback"
        plan = await door.post(path, {"preview": True})
        assert plan == {
            "run_id": run["id"],
            "dry_run": True,
            "undo": [
                {
                    "run_id": run["id"],
                    "key": "g1/turn/1/call/0",
                    "tool": "shop.pay",
                    "by": "shop.refund",
                    "arguments": {"eur": 3},
                }
            ],
            "cannot": [],
            "unknown": [],
        }
        assert await door.post(f"{path}?preview=true", None) == plan
        undo = await door.post(f"{path}?wait=20", {}, 201)
        assert (undo["status"], undo["answer"]) == ("completed", "1 of 1 effects undone")
        assert (await door.post(path, {}, 201))["id"] == undo["id"]
        (action,) = (await door.get(f"/v1/runs/{run['id']}/actions"))["data"]
        assert (action["tool"], action["state"]) == ("shop.pay", "compensated")
        shown = await door.get(f"/v1/runs/{undo['id']}")
        assert (shown["kind"], shown["target"], shown["agent"]) == ("rollback", run["id"], None)
        listed = (await door.get("/v1/runs"))["data"]
        assert [(one["kind"], one["target"], one["agent"]) for one in listed] == [
            ("rollback", run["id"], None),
            ("agent", run["agent"], run["agent"]),
        ]
        for view in ("tasks", "timeline", "messages", "logs", "events", "actions"):
            assert (await door.get(f"/v1/runs/{undo['id']}/{view}"))["data"]


async def test_rollback_of_what_lasts():
    async with open_door([calls(("mail.send", {})), says("sent")], SHOP) as door:
        run = await door.post("/v1/runs?wait=20", {"goal": "mail"})
        path = f"/v1/runs/{run['id']}/rollback"
        plan = await door.post(path, {"dry_run": True})
        assert [(item["tool"], item["reason"]) for item in plan["cannot"]] == [
            ("mail.send", "nothing is declared that undoes it")
        ]
        refused = await door.post(path, {}, 409)
        assert (refused["code"], refused["effects"][0]["tool"]) == ("cannot_be_undone", "mail.send")
        assert (await door.post(path, {"force": True}, 422))["errors"][0]["pointer"] == "/reason"
        forced = await door.post(path, {"force": True, "reason": "so be it"}, 409)
        assert forced["code"] == "nothing_to_undo"
        assert (await door.post(path, {"to": "turn/9/model"}, 404))["near"]
        assert (await door.post("/v1/runs/run_x/rollback", {}, 404))["code"] == "not_found"

"""Fifty people decide one question at the same moment, at two servers and by command: one decision counts."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest

from ripieno import bootstrap
from ripieno.bootstrap import Platform
from ripieno.clock import SystemClock
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.effects import EffectClass, EffectState
from ripieno.domain.principals import Principal
from ripieno.domain.runs import RunStatus
from ripieno.engine.api import StartRun
from ripieno.engine.worker import Options
from ripieno.store.postgres.opening import open_postgres
from ripieno.testing.recording_tools import RecordingTools, Scripted
from ripieno.testing.scripted_model import ScriptedModel, calls, says
from tests.acceptance.command_line import PROGRAM, environment, serving
from tests.crash.engines import Players, ports_on
from tests.servers import postgres, postgres_database

pytestmark = [pytest.mark.crash, postgres.NEEDS]

HTTP, COMMANDS = 24, 2
AT_ONCE = 8
"""How many of a server's decisions can wait in the database: its pool."""

PATIENCE = 60.0


@asynccontextmanager
async def clerk(url: str, folder: Path, tools: RecordingTools) -> AsyncGenerator[Platform]:
    """A worker whose agent asks before it pays."""
    store = await open_postgres(url, SystemClock())
    model = ScriptedModel([calls(("shop.pay", {})), says("done")], per_conversation=True)
    careful = Players(model, tools, [AgentDefinition(name="clerk", tools=("*",), approvals=("shop.pay",))])
    ports = ports_on(store, store.dispatch, careful, folder)
    async with bootstrap.running(bootstrap.assemble(ports, Options())) as platform:
        yield platform
    await store.close()


async def by_http(client: httpx2.AsyncClient, server: str, interrupt_id: str, number: int) -> tuple[int, str]:
    """The status, and what the answer says about who decided."""
    word = "approve" if number % 2 else "deny"
    answer = await client.post(f"{server}/v1/interrupts/{interrupt_id}/decide", json={"decision": word})
    body: dict[str, Any] = answer.json()
    return answer.status_code, str(body.get("detail", body.get("status")))


async def by_command(folder: Path, url: str, interrupt_id: str) -> tuple[int, str]:
    """The same for `ripieno approve`, which works in its own process; its exit code as an HTTP status."""
    process = await asyncio.create_subprocess_exec(
        *PROGRAM,
        *("approve", interrupt_id, "--json"),
        cwd=folder,
        env=environment({"RIPIENO_DATABASE_URL": url, "RIPIENO_ROLE": "api"}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    if process.returncode == 0:
        return 200, json.loads(out)["status"]
    return (409 if b"error[already_decided]" in err else 500), err.decode()


async def until_waiting(url: str, count: int) -> None:
    """Until so many decisions wait for the lock."""
    async with asyncio.timeout(PATIENCE):
        while len(await sql(url, "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'")) < count:
            await asyncio.sleep(0.05)


async def test_one_decision_counts_and_the_others_hear_whose_it_is(tmp_path: Path):
    url = await postgres_database.empty("fifty")
    tools = RecordingTools({"shop.pay": Scripted("paid", effect=EffectClass.IRREVERSIBLE)})
    env = {"RIPIENO_DATABASE_URL": url}
    with ExitStack() as stack:
        servers = [
            stack.enter_context(serving(tmp_path / name, "--role", "api", env=env)) for name in folders(tmp_path)
        ]
        async with clerk(url, tmp_path, tools) as platform, httpx2.AsyncClient(timeout=PATIENCE) as client:
            run = await platform.engine.start(StartRun("pay", agent="clerk"), Principal("operator"))
            await platform.engine.wait("default", run.id, PATIENCE)
            asked = await platform.engine.open_interrupt("default", run.id, None, None)
            holder = await asyncpg.connect(url)
            # Held up, so that all are under way before the first comes through.
            async with asyncio.TaskGroup() as group, holder.transaction():
                await holder.execute("SELECT 1 FROM runs WHERE id = $1 FOR UPDATE", run.id)
                said = [group.create_task(by_command(tmp_path, url, asked.id)) for _ in range(COMMANDS)]
                await until_waiting(url, COMMANDS)
                said += [
                    group.create_task(by_http(client, server.url, asked.id, number))
                    for number in range(HTTP)
                    for server in servers
                ]
                await until_waiting(url, COMMANDS + AT_ONCE * len(servers))
            await holder.close()
            ended = await platform.engine.wait("default", run.id, PATIENCE)
            decided = await platform.ports.records.interrupt("default", asked.id)
            effects = await platform.ports.records.effects("default", run.id)
            letters = await sql(url, "SELECT topic FROM inbox")
    outcomes = [task.result() for task in said]
    assert Counter(status for status, _ in outcomes) == {200: 1, 409: 49}
    assert len(decided.decisions) == 1
    named = f"{asked.id} was already {decided.status} by {decided.decisions[0].decided_by}"
    assert [text for status, text in outcomes if status == 409 and named not in text] == []
    assert ended.status is RunStatus.COMPLETED
    approved = decided.status == "approved"
    assert len(tools.calls) == approved
    assert [effect.state for effect in effects] == [EffectState.DONE] * approved
    assert letters == [("interrupt.decided",)]


def folders(folder: Path) -> list[str]:
    names = ["one", "two"]
    for name in names:
        (folder / name).mkdir()
    return names


async def sql(url: str, statement: str) -> list[Any]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(statement)]
    finally:
        await connection.close()

"""Dispatch over real brokers: killed, frozen, started again; between processes; and under the whole engine."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ripieno import bootstrap
from ripieno.bootstrap import Platform
from ripieno.clock import SystemClock
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.hints import Hint, HintKind
from ripieno.domain.principals import Principal
from ripieno.domain.runs import RunStatus
from ripieno.engine.api import StartRun
from ripieno.engine.worker import Options
from ripieno.integrations.brokers.dispatch import BrokerDispatch
from ripieno.integrations.brokers.opening import open_dispatch
from ripieno.testing.memory_journal import MemoryStore
from ripieno.testing.platform import in_memory
from ripieno.testing.recording_tools import RecordingTools
from ripieno.testing.scripted_model import ScriptedModel, calls, says
from tests.servers.brokers import REAL, Brokers, BrokerServer
from tests.servers.listening import Listener, repeated, work

pytestmark = pytest.mark.acceptance

ALICE = Principal("alice")
AWAY = "the broker is away; until it is back, runs are found by polling"


@pytest.fixture(params=REAL)
def server(request: pytest.FixtureRequest, brokers: Brokers) -> BrokerServer:
    return brokers(request.param)


@asynccontextmanager
async def two(url: str) -> AsyncGenerator[tuple[BrokerDispatch, BrokerDispatch]]:
    async with open_dispatch(url, SystemClock()) as here, open_dispatch(url, SystemClock()) as there:
        await linked(here, there)
        yield here, there


async def linked(*dispatches: BrokerDispatch, times: int = 1) -> None:
    async with asyncio.timeout(30):
        for dispatch in dispatches:
            while dispatch.counts.links < times or not dispatch.linked.is_set():
                await asyncio.sleep(0.01)


async def lost(*dispatches: BrokerDispatch) -> None:
    async with asyncio.timeout(30):
        while any(dispatch.linked.is_set() for dispatch in dispatches):
            await asyncio.sleep(0.01)


def others() -> list[str]:
    """Tasks beside this one: what a driver left behind."""
    return [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]


async def test_hints_flow_again_after_a_kill(server: BrokerServer, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    before = len(others())
    async with two(f"{server.url}#kill") as (here, there):
        listener = Listener(there)
        here.publish([work(1)])
        await listener.until(work(1))
        server.kill()
        await lost(here, there)
        here.publish([work(2)])
        server.start()
        await linked(here, there, times=2)
        here.publish([work(3)])
        await listener.until(work(3))
        assert listener.hints == [work(1), work(3)]  # each once; none that is older than a poll
    ours = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.getMessage() for record in ours] == [AWAY, AWAY], "said once by each, and by nobody else"
    assert len(others()) == before


@pytest.mark.needs("redis-server")
async def test_hints_flow_again_after_a_freeze(brokers: Brokers):
    server = brokers("redis")
    assert server.process is not None
    before = len(others())
    async with two(f"{server.url}#freeze") as (here, there):
        listener = Listener(there)
        os.killpg(server.process.pid, signal.SIGSTOP)
        try:
            await lost(here, there)
        finally:
            os.killpg(server.process.pid, signal.SIGCONT)
        await linked(here, there, times=2)
        here.publish([work(1)])
        await listener.until(work(1))
    assert len(others()) == before


async def test_broker_may_come_later_than_we_do(server: BrokerServer):
    server.kill()
    before = len(others())
    async with open_dispatch(server.url, SystemClock()) as dispatch:
        listener = Listener(dispatch)
        dispatch.publish([work(1)])
        assert listener.hints == [work(1)]
    async with open_dispatch(f"{server.url}#later", SystemClock()) as here:
        server.start()
        await linked(here)
    assert len(others()) == before


CHILD = """
import asyncio, sys
from ripieno.clock import SystemClock
from ripieno.integrations.brokers.opening import open_dispatch
from ripieno.domain.hints import Hint, HintKind

async def main(url):
    async with open_dispatch(url, SystemClock()) as dispatch:
        def answer(hint):
            if hint.kind is HintKind.WORK:
                dispatch.publish([Hint(HintKind.PROGRESS, hint.run_id), Hint(HintKind.DELTA, hint.run_id, "Hel")])
        dispatch.subscribe(answer)
        await dispatch.linked.wait()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main(sys.argv[1]))
"""


async def test_two_processes_hear_each_other(server: BrokerServer):
    url = f"{server.url}#processes"
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, url, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert child.stdin
    assert child.stdout
    try:
        assert await child.stdout.readline() == b"ready\n"
        async with open_dispatch(url, SystemClock()) as dispatch:
            await linked(dispatch)
            listener = Listener(dispatch)
            dispatch.publish([work(1)])
            await listener.until(Hint(HintKind.PROGRESS, "run_1"), Hint(HintKind.DELTA, "run_1", "Hel"))
    finally:
        child.stdin.close()
        assert await child.wait() == 0


@pytest.mark.needs("rabbitmq-server")
async def test_password_is_in_no_log_line(brokers: Brokers, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    port = urlsplit(brokers("rabbitmq").url).port
    async with open_dispatch(f"amqp://guest:hunter2@127.0.0.1:{port}/", SystemClock()) as dispatch:
        async with asyncio.timeout(30):
            while AWAY not in caplog.messages:
                await asyncio.sleep(0.01)
        assert not dispatch.linked.is_set()
    texts = [f"{record.getMessage()} {record.__dict__}" for record in caplog.records]
    assert any(f"amqp://127.0.0.1:{port}" in text for text in texts)
    assert not [text for text in texts if "hunter2" in text]


def node(store: MemoryStore, dispatch: BrokerDispatch, folder: Path, options: Options) -> Platform:
    """One of several platforms on one store, each with a dispatch of its own. Its agent takes two turns."""
    script = [calls(("clock.now", {})), says("It is late [t1c0].")]
    agent = AgentDefinition.model_validate({"name": "clerk", "tools": ["*"]})
    model = ScriptedModel(script, per_conversation=True)
    alone = in_memory(model, RecordingTools({"clock.now": "late"}), [agent], folder)
    ports = replace(alone.ports, dispatch=dispatch, journal=store.journal, records=store.records, replies=store.replies)
    return bootstrap.assemble(ports, options)


async def test_runs_come_to_their_end_while_the_broker_dies(server: BrokerServer, tmp_path: Path):
    async with two(f"{server.url}#engine") as (front, back):
        store = MemoryStore(SystemClock(), front)
        door = node(store, front, tmp_path, Options())
        async with bootstrap.running(node(store, back, tmp_path, Options(poll_seconds=0.3))):

            async def run() -> RunStatus:
                """Started at a node without a worker; the worker of the other one learns of it by hint or by poll."""
                begun = await door.engine.start(StartRun("go", agent="clerk"), ALICE)
                return (await door.engine.wait("default", begun.id, 30)).status

            async with asyncio.TaskGroup() as group:
                runs = [group.create_task(run()) for _ in range(5)]
                while back.counts.heard == 0:
                    await asyncio.sleep(0.001)
                server.kill()
                runs += [group.create_task(run()) for _ in range(5)]
                await lost(front, back)
                runs += [group.create_task(run()) for _ in range(5)]
                await asyncio.gather(*runs)
                await asyncio.to_thread(server.start)
                await linked(front, back, times=2)
                heard = back.counts.heard
                runs += [group.create_task(run()) for _ in range(5)]
            assert {task.result() for task in runs} == {RunStatus.COMPLETED}
            await repeated(front, [work(0)], Listener(back))
            assert back.counts.heard > heard

"""The same job on LangGraph with its SQLite or its PostgreSQL saver: a model calls a tool, over and over.

Runs in `.venv-bench`. It is given its best: the asynchronous savers (on SQLite measured faster than the blocking one in
threads), messages as plain dictionaries, no tracing. On PostgreSQL a saver does one thing at a time, also with a pool
of connections; `BENCH_SAVERS` says how many share the work.
`durability="sync"` makes it commit each step before the next one begins, which is what a step means here.
"""

import operator
import os
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, TypedDict

import psycopg
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, ChannelVersions, Checkpoint, CheckpointMetadata
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from bench.programs import Job, Measured, Stopwatch, closed_loop, serve

SAVERS = int(os.environ.get("BENCH_SAVERS", "1"))
"""On PostgreSQL: as many checkpoints are written at once. One is the way that its documents show."""

COUNT = "SELECT count(*) FROM checkpoints WHERE thread_id <> 'warm-up' GROUP BY thread_id"


class State(TypedDict):
    """The conversation, which every step adds to, and how many words to look up."""

    messages: Annotated[list[dict[str, Any]], operator.add]
    words: int


class Timed(BaseCheckpointSaver[str]):
    """Notes when each checkpoint was committed; mixed into a saver."""

    watch: Stopwatch

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        saved = await super().aput(config, checkpoint, metadata, new_versions)
        if metadata["step"] >= 0:
            self.watch.committed(config["configurable"]["thread_id"])
        return saved


class TimedSqlite(Timed, AsyncSqliteSaver):
    """On SQLite."""


class TimedPostgres(Timed, AsyncPostgresSaver):
    """On PostgreSQL."""


async def model(state: State) -> dict[str, Any]:
    said = len(state["messages"]) // 2
    if said == state["words"]:
        return {"messages": [{"role": "assistant", "text": f"The words were looked up [t{said}c0]."}]}
    call = {"id": f"call_{said}", "name": "words.look_up", "arguments": {"word": f"word {said}"}}
    return {"messages": [{"role": "assistant", "text": "", "tool_calls": [call]}]}


async def tools(state: State) -> dict[str, Any]:
    calls = state["messages"][-1]["tool_calls"]
    return {
        "messages": [
            {"role": "tool", "call_id": call["id"], "text": f"{call['arguments']['word']}: found"} for call in calls
        ]
    }


def after_model(state: State) -> str:
    return "tools" if state["messages"][-1].get("tool_calls") else END


def graph(saver: Timed) -> CompiledStateGraph[State]:
    builder = StateGraph(State)
    builder.add_node("model", model)
    builder.add_node("tools", tools)
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", after_model, ["tools", END])
    builder.add_edge("tools", "model")
    return builder.compile(checkpointer=saver)


async def perform(job: Job) -> Measured:
    async with savers(job) as opened:
        agents = [graph(saver) for saver in opened]

        def start(watch: Stopwatch) -> None:
            for saver in opened:
                saver.watch = watch

        start(Stopwatch())  # for the warm-up, thrown away
        await run(agents[0], "warm-up", job.steps)
        watch = Stopwatch(job.steps)
        start(watch)
        await closed_loop(
            job.concurrency,
            job.runs,
            lambda number: run(agents[number % len(agents)], f"run-{number}", job.steps),
        )
        measured = watch.stop(steps=0, commits=0)
    counts = in_postgres(job.database) if job.database else in_file(file_of(job))
    whole = sum(count == checkpoints(job.steps) for count in counts)
    return replace(measured, steps=whole * job.steps, commits=sum(counts))


@asynccontextmanager
async def savers(job: Job) -> AsyncGenerator[list[Timed]]:
    async with AsyncExitStack() as stack:
        if job.database:
            opened: list[Timed] = [
                await stack.enter_async_context(TimedPostgres.from_conn_string(job.database))
                for _ in range(min(SAVERS, job.concurrency))
            ]
            await opened[0].setup()
        else:
            file_of(job).parent.mkdir(parents=True)
            opened = [await stack.enter_async_context(TimedSqlite.from_conn_string(str(file_of(job))))]
        yield opened


async def run(agent: CompiledStateGraph[State], thread: str, steps: int) -> None:
    config: RunnableConfig = {"configurable": {"thread_id": thread}, "recursion_limit": steps + 10}
    question: State = {"messages": [{"role": "user", "text": "Look up words."}], "words": steps // 2}
    ended = await agent.ainvoke(question, config, durability="sync")
    assert ended["messages"][-1]["text"].startswith("The words")


def checkpoints(steps: int) -> int:
    """Of one run: its input, its start, its steps and the answer."""
    return steps + 3


def file_of(job: Job) -> Path:
    return Path(job.folder) / "langgraph.db"


def in_file(path: Path) -> list[int]:
    with sqlite3.connect(path) as connection:
        return [count for (count,) in connection.execute(COUNT)]


def in_postgres(url: str) -> list[int]:
    with psycopg.connect(url) as connection:
        return [count for (count,) in connection.execute(COUNT)]


if __name__ == "__main__":
    serve(perform)

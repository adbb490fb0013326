"""The same job on LangGraph with its SQLite saver: a model that calls a tool five times and then answers.

Runs in `.venv-bench`. It is given its best: the asynchronous saver (measured faster than the blocking one in threads),
messages as plain dictionaries, no tracing. `durability="sync"` makes it commit each step before the next one begins,
which is what a step means here.
"""

import operator
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from bench.programs import STEPS, Job, Measured, Stopwatch, closed_loop, serve

CALLS = STEPS // 2
CHECKPOINTS = STEPS + 3
"""Of one run: its input, its start, ten steps and the answer."""


class State(TypedDict):
    """The conversation, which every step adds to."""

    messages: Annotated[list[dict[str, Any]], operator.add]


class TimedSaver(AsyncSqliteSaver):
    """Notes when each checkpoint was committed."""

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


async def model(state: State) -> State:
    said = sum(message["role"] == "assistant" for message in state["messages"])
    if said == CALLS:
        return {"messages": [{"role": "assistant", "text": "Five words were looked up [t5c0]."}]}
    call = {"id": f"call_{said}", "name": "words.look_up", "arguments": {"word": f"word {said}"}}
    return {"messages": [{"role": "assistant", "text": "", "tool_calls": [call]}]}


async def tools(state: State) -> State:
    calls = state["messages"][-1]["tool_calls"]
    return {
        "messages": [
            {"role": "tool", "call_id": call["id"], "text": f"{call['arguments']['word']}: found"} for call in calls
        ]
    }


def after_model(state: State) -> str:
    return "tools" if state["messages"][-1].get("tool_calls") else END


def graph(saver: AsyncSqliteSaver) -> CompiledStateGraph[State]:
    builder = StateGraph(State)
    builder.add_node("model", model)
    builder.add_node("tools", tools)
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", after_model, ["tools", END])
    builder.add_edge("tools", "model")
    return builder.compile(checkpointer=saver)


async def perform(job: Job) -> Measured:
    path = Path(job.folder) / "langgraph.db"
    path.parent.mkdir(parents=True)
    async with TimedSaver.from_conn_string(str(path)) as saver:
        agent = graph(saver)
        saver.watch = Stopwatch()  # for the warm-up, thrown away
        await run(agent, "warm-up")
        saver.watch = Stopwatch()
        await closed_loop(job.concurrency, job.runs, lambda number: run(agent, f"run-{number}"))
        return saver.watch.stop(**counted(path))


async def run(agent: CompiledStateGraph[State], thread: str) -> None:
    config: RunnableConfig = {"configurable": {"thread_id": thread}, "recursion_limit": 50}
    question: State = {"messages": [{"role": "user", "text": "Look up five words."}]}
    ended = await agent.ainvoke(question, config, durability="sync")
    assert ended["messages"][-1]["text"].startswith("Five words")


def counted(path: Path) -> dict[str, int]:
    """What is in the file; only whole runs count."""
    with sqlite3.connect(path) as connection:
        rows: Sequence[tuple[int]] = connection.execute(
            "SELECT count(*) FROM checkpoints WHERE thread_id <> 'warm-up' GROUP BY thread_id"
        ).fetchall()
    whole = sum(count == CHECKPOINTS for (count,) in rows)
    return {"steps": whole * STEPS, "commits": sum(count for (count,) in rows)}


if __name__ == "__main__":
    serve(perform)

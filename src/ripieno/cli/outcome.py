"""From a run that is under way to the command's end: follow it, say how it came out, choose the exit code."""

import asyncio
import shlex
from pathlib import Path
from typing import cast

from rich.console import Console

from ripieno.cli import lines, terminal
from ripieno.cli.api import Api
from ripieno.cli.command import print_json, print_line
from ripieno.cli.connection import Where
from ripieno.cli.desk import Desk
from ripieno.cli.exits import Exit, Stop
from ripieno.cli.following import follow
from ripieno.cli.screens import LineScreen, LiveScreen, Screen, SilentScreen
from ripieno.cli.story import Story
from ripieno.cli.wording import clean
from ripieno.domain.interrupts import InterruptKind
from ripieno.domain.jsons import JsonObject
from ripieno.domain.runs import RunStatus

PARKING_SECONDS = 5

HOW = {
    InterruptKind.APPROVAL: ("approve", ""),
    InterruptKind.BUDGET: ("approve", ""),
    InterruptKind.QUESTION: ("answer", " ANSWER"),
    InterruptKind.UNKNOWN_EFFECT: ("answer", " committed|retry|abandon"),
}
"""The command that decides, and what stands behind the question's id."""


def screen_for(api: Api, where: Where) -> Screen:
    """A live picture on a terminal, lines elsewhere, nothing where JSON is wanted."""
    if where.json:
        return SilentScreen()
    console = Console()
    return LiveScreen(console, api.clock) if console.is_terminal and not console.is_dumb_terminal else LineScreen()


async def followed(api: Api, run_id: str, where: Where, *, yes: bool, decided: str | None = None) -> Story:
    """Show a run until it ends or waits for somebody who is not here.

    `decided` is an interrupt whose decision was just sent, although the run's events may not tell of it yet.

    Raises:
        Stop: Ctrl-C (it says what becomes of the run), or the server went away.
    """
    screen = screen_for(api, where)
    desk = Desk(api, screen, yes=yes, person=not where.json and terminal.interactive())
    if decided is not None:
        desk.sent(decided)
    try:
        return await follow(api, run_id, screen, desk)
    except asyncio.CancelledError:
        raise Stop(Exit.INTERRUPTED, "interrupted", _left_alone(api, run_id, where)) from None


async def conclude(api: Api, story: Story, where: Where) -> Exit:
    """Print the answer. Raises `Stop` for a run that failed, or that a person must decide for."""
    # A question is told of before its run has let go of its worker, which takes a moment.
    wait = PARKING_SECONDS if story.pending else None
    run: JsonObject = await api.get(f"/v1/runs/{story.root.run_id}", wait=wait)
    if where.json:
        print_json(run)
    elif run["answer"]:
        print_line(f"\n{clean(run['answer'])}")
        if file := file_of(run, where):
            print_line(f"\nfile: {file}")
    return verdict(run, story, where)


def file_of(run: JsonObject, where: Where) -> Path | None:
    """The file that a team wrote, where its workspace is on this machine."""
    output = cast("JsonObject", run["output"]) if isinstance(run["output"], dict) else {}
    delivered: JsonObject = output.get("deliverable") or {}
    if where.url or not delivered.get("written"):
        return None
    file: Path = (where.settings().data / "workspaces" / run["root_id"] / delivered["path"]).resolve()
    return file if file.exists() else None


def verdict(run: JsonObject, story: Story, where: Where) -> Exit:
    """The exit code of a run as it stands. Raises `Stop` where there is something to say on standard error."""
    if run["status"] == RunStatus.COMPLETED:
        return Exit.COMPLETED
    if run["status"] in {RunStatus.FAILED, RunStatus.CANCELLED}:
        error: JsonObject = run["error"] or {}
        code: str = error.get("code") or run.get("exit_reason") or run["status"]
        raise Stop(Exit.FAILED, code, error.get("detail") or f"run {run['id']} was {run['status']}")
    raise Stop(Exit.WAITING, run["status"], _waiting(run, story, where))


def _waiting(run: JsonObject, story: Story, where: Where) -> str:
    place, pending = _place(where), story.pending
    if not pending:
        return f"run {run['id']} is {run['status']}; look at it with: ripieno show {run['id']}{place}"
    asked = "; ".join(f"{question.kind} of {lines.request(question)}" for question in pending)
    verb, words = HOW[InterruptKind(pending[0].kind)]
    return f"run {run['id']} waits for a person: {asked}. Decide with: ripieno {verb} {pending[0].id}{words}{place}"


def _place(where: Where) -> str:
    """The options under which another command finds the same runs."""
    if where.url:
        return f" --url {where.url}"
    return f" --data {shlex.quote(str(where.data))}" if where.data else ""


def _left_alone(api: Api, run_id: str, where: Where) -> str:
    if api.here:
        goes_on = "no server is running, so it goes on the next time one does (ripieno serve)"
    else:
        goes_on = f"the server at {api.url} goes on with it"
    return f"run {run_id} was left alone: {goes_on}; to stop it: ripieno cancel {run_id}{_place(where)}"

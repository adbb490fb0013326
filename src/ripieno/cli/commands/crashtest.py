"""`ripieno crashtest`: does an agent survive being killed anywhere?"""

import asyncio
import shlex
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ripieno.cli.command import print_json, print_line
from ripieno.cli.connection import QUIET, Where, chosen
from ripieno.cli.exits import Exit
from ripieno.cli.playing import played
from ripieno.cli.tables import Column, print_table
from ripieno.cli.wording import count, one_line
from ripieno.domain import ids
from ripieno.domain.agents import AgentDefinition
from ripieno.domain.errors import Invalid
from ripieno.domain.jsons import JsonObject
from ripieno.domain.tools import ToolSpec
from ripieno.observability import logs
from ripieno.settings import Settings
from ripieno.testing.crashtest.plans import TENANT, Model, Plan, fault

ALL = "all"
RECORDED = "Tools were recorded: none was really called, and nothing but the test's own folder was touched."
CLASSES = (Column("effect", no_wrap=True), Column("in the clean run"), Column("after kills"), Column("wrongly"))
FINDINGS = (Column("boundary", no_wrap=True), Column("kind", no_wrap=True), Column("what", ratio=1))


def crashtest(  # noqa: PLR0913 - options of a command
    agent: Annotated[
        str, typer.Argument(metavar="AGENT_OR_RUN", help="The agent or team to test, or the id of a run to play again.")
    ],
    *,
    url: Annotated[str | None, typer.Option(envvar="RIPIENO_URL", help="The server that has the run.")] = None,
    key: Annotated[str | None, typer.Option(envvar="RIPIENO_KEY", help="Key for that server.")] = None,
    goal: Annotated[str | None, typer.Option(help="What it shall do. [default: its first example]")] = None,
    data: Annotated[Path | None, typer.Option(help="Keep the stores and logs of all lives in this folder.")] = None,
    config: Annotated[Path | None, typer.Option(help="Your agents and MCP servers. [default: config]")] = None,
    boundaries: Annotated[str, typer.Option(help="How many boundaries to try, spread evenly, or all.")] = ALL,
    model: Annotated[
        Model, typer.Option(help="scripted calls every tool the agent has, offline those that the goal names.")
    ] = Model.OFFLINE,
    only: Annotated[str | None, typer.Option(help="Try one boundary, as in before:7 or after:7.")] = None,
    rig: Annotated[
        str | None,
        typer.Option(help="MODULE:FUNCTION from this folder that changes the ports: your model, your fakes."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """Kill an agent's process at every commit of its journal, and count what is lost or done twice.

    The agent or team runs in throw-away processes of its own, with tools that only remember that they were called.
    Each process is killed just before or just after one commit, and begun again until the run ends. Approvals are
    granted; whether a lost call happened is looked up with an outside witness. A run is played again as its journal
    has it: its model's replies, its tools' results, what people decided. Exit code 1 says that something was found.
    """
    from ripieno.testing.crashtest import campaign  # noqa: PLC0415 - heavy, and not needed for --help

    own = chosen(config=config)
    logs.configure(QUIET, own.log.format)
    wishes = campaign.Wishes(_number(boundaries), fault(only) if only else None, path=(Path.cwd(),) if rig else ())
    if agent.startswith(f"{ids.RUN}_"):
        if goal is not None:
            raise Invalid("a run that is played again has its own goal")
        plan = played(agent, Where(url, key, None, config), own)
    else:
        plan = asyncio.run(_plan(own, agent, goal, model))
    plan = replace(plan, rig=rig or "")
    with _folder(data) as folder, _progress(agent, silent=json) as told:
        report = campaign.crashtest(plan, folder, wishes, told).as_json()
    for finding in report["findings"]:
        finding["replay"] = _replay(finding, plan, config, url)
    if json:
        print_json(report)
    else:
        show(report)
    raise typer.Exit(Exit.COMPLETED if report["passed"] else Exit.FAILED)


def show(report: JsonObject) -> None:
    """Print a report for people."""
    tried = report["tried"]
    print_line(f"{report['agent']} on {report['model']}: {one_line(report['goal'])}")
    if recorded := report["recorded"]:
        word = "went as it did then" if recorded["followed"] else "went another way; see its log with --data"
        print_line(f"  {recorded['run_id']} played again ({recorded['status']} then)")
        print_line(f"  the clean run              {word}")
    print_line(f"  commits of a clean run     {report['boundaries']}")
    print_line(f"  kills before and after     {tried} ({report['lives']} processes)")
    print_line(f"  runs that ended            {report['ended']} of {tried}")
    print_line(f"  completed calls repeated   {report['repeated']}")
    print_line(f"  effects lost               {report['lost']}")
    print_line(f"  effects doubled            {sum(report['doubled'].values())}")
    print_line(f"  lost calls asked about     {report['asked']}")
    if report["not_reached"]:
        print_line(f"  kills that found no commit {len(report['not_reached'])}")
    print_line()
    again, doubled = report["made_again"], report["doubled"]
    rows = [
        [kind, count(number, "call"), f"{again.get(kind, 0)} again in doubt", f"{doubled.get(kind, 0)} doubled"]
        for kind, number in report["effects"].items()
    ]
    print_table(CLASSES, rows, "no tool was called")
    print_line()
    print_line(RECORDED)
    if report["passed"]:
        print_line("Nothing was lost and nothing was done twice.")
        return
    print_table(FINDINGS, [[item["boundary"], item["kind"], item["detail"]] for item in report["findings"]], "")
    print_line("To see one again (add --data FOLDER to keep its store and log):")
    for command in dict.fromkeys(item["replay"] for item in report["findings"]):
        print_line(f"  {command}")


async def _plan(own: Settings, agent: str, goal: str | None, model: Model) -> Plan:
    """What to test: real definitions and the specs of real tools, of which MCP servers are started to be asked."""
    from ripieno import bootstrap  # noqa: PLC0415 - heavy, and not needed for --help

    with tempfile.TemporaryDirectory(prefix="ripieno-") as folder:
        async with bootstrap.opened(own.model_copy(update={"data": Path(folder)})) as platform:
            definition = await platform.ports.definitions.agent(agent)
            agents: tuple[AgentDefinition, ...] = tuple(await platform.ports.definitions.agents())
            tools: tuple[ToolSpec, ...] = tuple(await platform.engine.tools(TENANT))
    examples = (*definition.examples, definition.description, agent)
    return Plan(agent, goal or next(filter(None, examples)), agents, tools, model, own.tools.ask_from)


def _number(boundaries: str) -> int | None:
    if boundaries == ALL:
        return None
    if not boundaries.isdecimal() or int(boundaries) == 0:
        raise Invalid(f"--boundaries takes a number or {ALL}, not {boundaries}")
    return int(boundaries)


def _replay(finding: JsonObject, plan: Plan, config: Path | None, url: str | None) -> str:
    """The command that tries one boundary alone; by its name, which other commits cannot move."""
    words = ["ripieno", "crashtest"]
    if plan.recording is not None:
        words += [plan.recording.run_id, *(["--url", url] if url else [])]
    else:
        words += [plan.agent, "--goal", plan.goal, "--model", plan.model.value]
    if config is not None:
        words += ["--config", str(config)]
    if plan.rig:
        words += ["--rig", plan.rig]
    when, colon, _ = str(finding["boundary"]).partition(":")
    if colon:
        words += ["--only", f"{when}:{finding['place']}"]
    return shlex.join(words)


@contextmanager
def _folder(given: Path | None) -> Generator[Path]:
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="ripieno-") as folder:
        yield Path(folder)


@contextmanager
def _progress(agent: str, *, silent: bool) -> Generator[Callable[[int, int], None]]:
    """A line on a terminal that says how far it is; nothing elsewhere."""
    console = Console(stderr=True, quiet=silent or not sys.stderr.isatty())
    with console.status(f"{agent}: a clean run") as status:
        yield lambda done, of: status.update(f"{agent}: {done} of {of} kills")

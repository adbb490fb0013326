"""The program `ripieno`: its commands, and how it ends."""

import io
import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn, cast

import typer

from ripieno import __version__
from ripieno.cli.commands import (
    agents,
    artifacts,
    budgets,
    control,
    crashtest,
    db,
    decide,
    demo,
    dlq,
    egress,
    halting,
    handing_on,
    history,
    mcp,
    providers,
    retention,
    routing,
    run,
    runs,
    sandbox,
    schedules,
    secrets,
    serve,
    show,
    talk,
    tenants,
    tools,
)
from ripieno.cli.exits import Exit, Stop
from ripieno.cli.wording import one_line
from ripieno.domain.errors import Invalid, RipienoError, Unavailable

MAX_CHARACTERS = 2000

COMMANDS = (
    serve.serve,
    serve.worker,
    demo.demo,
    run.run,
    runs.runs,
    show.show,
    decide.approve,
    decide.deny,
    decide.answer,
    handing_on.inbox,
    handing_on.delegate,
    handing_on.escalate,
    control.cancel,
    control.pause,
    control.resume,
    talk.signal,
    talk.publish,
    talk.send,
    talk.messages,
    history.retry,
    history.fork,
    history.rollback,
    history.diff,
    halting.halt,
    halting.unhalt,
    halting.halts,
    retention.prune,
    retention.archive,
    agents.agents,
    tools.tools,
    crashtest.crashtest,
)
"""In the order of the help."""

app = typer.Typer(
    name="ripieno",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for function in COMMANDS:
    app.command()(function)
app.add_typer(dlq.dlq)
app.add_typer(db.db)
app.add_typer(schedules.schedules)
app.add_typer(secrets.secrets)
app.add_typer(providers.providers)
app.add_typer(routing.routing)
app.add_typer(artifacts.artifacts)
app.add_typer(tenants.tenants)
app.add_typer(egress.egress)
app.add_typer(sandbox.sandbox)
app.add_typer(mcp.mcp)
app.add_typer(budgets.budgets)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command that the arguments name, and end the process with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    sys.exit(run_command(arguments))


def run_command(arguments: Sequence[str] | None = None, commands: typer.Typer = app) -> int:
    """Run a command and answer its exit code; errors are on standard error by then, one line each."""
    program = typer.main.get_command(commands)
    try:
        code = program.main(args=arguments, prog_name="ripieno", standalone_mode=False)
        sys.stdout.flush()
    except (KeyboardInterrupt, BaseExceptionGroup, Exception) as error:  # noqa: BLE001 - the edge
        found = _first(error)
        return _without_reader() if isinstance(found, BrokenPipeError) else _say(_stop(found))
    return int(code or 0)


def _stop(error: BaseException) -> Stop:
    """What to say about an error. Raises the ones that nobody foresaw."""
    match error:
        case Stop():
            return error
        case KeyboardInterrupt() | typer.Abort():
            return Stop(Exit.INTERRUPTED, "interrupted", "interrupted")
        case typer.TyperException():
            return Stop(Exit.USAGE, "usage", f"{error.format_message().rstrip('.')} (see ripieno --help)")
        case Invalid():
            wrong = "; ".join(f"{item.pointer} {item.detail}" for item in error.problems)
            return Stop(Exit.USAGE, error.code, f"{error.detail} ({wrong})" if wrong else error.detail)
        case Unavailable():
            return Stop(Exit.UNREACHABLE, error.code, error.detail)
        case RipienoError():
            return Stop(Exit.FAILED, error.code, error.detail)
        case _:
            raise error


def _first(error: BaseException) -> BaseException:
    """The first error in a group, at any depth, that says what went wrong."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    group = cast("BaseExceptionGroup[BaseException]", error)
    return _first((group.subgroup((Stop, RipienoError, BrokenPipeError)) or group).exceptions[0])


def _say(stop: Stop) -> int:
    for sentence in stop.sentences:
        sys.stderr.write(f"error[{stop.code}]: {one_line(sentence, MAX_CHARACTERS)}\n")
    return stop.exit_code


def _without_reader() -> int:
    """Whoever read our output has gone (`ripieno runs | head`): end without another word."""
    sys.stdout = open("/dev/null", "w")  # noqa: SIM115, PTH123 - the interpreter flushes it at its end
    return Exit.FAILED


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False,
) -> None:
    """Run many LLM agents together: durable, governed, visible, on your own machines."""
    if version:
        typer.echo(f"ripieno {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(Exit.USAGE)

"""`ripieno sandbox check`: whether code can be run safely on this machine."""

import asyncio

import typer

from ripieno.cli.command import print_line
from ripieno.cli.connection import chosen
from ripieno.cli.exits import Exit, Stop
from ripieno.clock import SystemClock
from ripieno.rings import sandbox_of
from ripieno.tools.sandbox.contract import SandboxRefused

sandbox = typer.Typer(name="sandbox", help="Where code that a model wrote is run.")


@sandbox.callback()
def group() -> None:
    """Where code that a model wrote is run."""


@sandbox.command()
def check() -> None:
    """Try the sandbox of this machine's settings, and say what holds in it and what does not."""
    try:
        described = asyncio.run(sandbox_of(chosen(), SystemClock()).describe())
    except SandboxRefused as error:
        raise Stop(Exit.FAILED, "sandbox_refused", " ".join(filter(None, (error.text, error.hint)))) from None
    print_line(f"driver: {described.driver}")
    for sentence in described.holds:
        print_line(f"holds: {sentence}")
    for sentence in described.does_not_hold:
        print_line(f"does not hold: {sentence}")

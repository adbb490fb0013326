"""The command line."""

from ripieno.cli.command_line import app, main

__all__ = ["app", "main"]

"""Finds the server to talk to: the one that was named, the one that holds the data folder, or one in this process."""

import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ripieno import settings
from ripieno.cli.api import Api
from ripieno.cli.exits import Exit, Stop
from ripieno.clock import SystemClock
from ripieno.domain.errors import Invalid
from ripieno.observability import logs
from ripieno.settings import Settings
from ripieno.store import lockfile

QUIET = "error"
"""What a platform inside a command logs, unless a level was chosen: its lines would run into the command's own."""


@dataclass(frozen=True, slots=True)
class Where:
    """What every command is told: where to work, and whether to answer in JSON."""

    url: str | None = None
    key: str | None = None
    data: Path | None = None
    config: Path | None = None
    json: bool = False

    def settings(self) -> Settings:
        """The settings with this command's flags. Raises `Stop`."""
        return chosen(data=self.data, config=self.config)


def chosen(**flags: Any) -> Settings:
    """The settings, with flags over variables over the file. Raises `Stop` with a sentence for each problem."""
    try:
        return settings.load(flags)
    except Invalid as error:
        sentences = [item.detail for item in error.problems] or [error.detail]
        raise Stop(Exit.USAGE, error.code, *sentences) from None


@asynccontextmanager
async def connected(where: Where, *, keeps: bool) -> AsyncGenerator[Api]:
    """Talk to the server there is, or start the platform in this process for as long as the block lasts.

    `keeps` says that the command moves runs on, so that a data folder may be made for it and a worker works; others
    only look and decide.

    Raises:
        Stop: A process holds the data folder without a server, so that nobody can be asked.
        StoreBusy, Invalid: See `bootstrap.served`.
    """
    clock = SystemClock()
    if where.url:
        api = Api(where.url, where.key, clock, here=False)
        try:
            yield api
        finally:
            await api.close()
        return
    own = where.settings()
    key = where.key or (own.auth.admin_key.get_secret_value() if own.auth.admin_key else None)
    holder = lockfile.holder(own.data)
    if holder is not None and holder.url is None:
        sentence = f"process {holder.pid} holds {own.data} and has no server yet; try again, or name one with --url"
        raise Stop(Exit.UNREACHABLE, "store_busy", sentence)
    if holder is not None and holder.url is not None:
        async with connected(Where(holder.url, key), keeps=keeps) as api:
            yield api
        return
    async with _served(own, keeps=keeps) as url:
        api = Api(url, key, clock, here=True)
        try:
            yield api
        finally:
            await api.close()


@asynccontextmanager
async def _served(own: Settings, *, keeps: bool) -> AsyncGenerator[str]:
    from ripieno import bootstrap  # noqa: PLC0415 - heavy, and not needed to talk to a server

    logs.configure(own.log.level if "level" in own.log.model_fields_set else QUIET, own.log.format)
    if keeps or own.data.exists():
        async with bootstrap.served(own, work=keeps) as url:
            yield url
        return
    with tempfile.TemporaryDirectory(prefix="ripieno-") as folder:
        async with bootstrap.served(own.model_copy(update={"data": Path(folder)}), work=False) as url:
            yield url

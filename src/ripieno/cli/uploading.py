"""Sends a file to the server, to be kept as an artifact."""

import asyncio
import mimetypes
from pathlib import Path

from ripieno.cli.api import Api
from ripieno.cli.exits import Exit, Stop
from ripieno.domain.jsons import JsonObject

UNKNOWN = "application/octet-stream"


async def uploaded(api: Api, file: Path, name: str | None = None, media_type: str | None = None) -> JsonObject:
    """The artifact that the file has become. Raises `Stop`."""
    kind = media_type or mimetypes.guess_type(file.name)[0] or UNKNOWN
    try:
        content = await asyncio.to_thread(file.read_bytes)
    except OSError as error:
        raise Stop(Exit.USAGE, "usage", f"{file} cannot be read: {error.strerror}") from None
    return await api.upload("/v1/artifacts", content, kind, name=name or file.name)

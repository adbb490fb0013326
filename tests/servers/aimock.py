"""A fake of model providers that others wrote: aimock, a program from npm.

    async with aimock(tmp_path, FIXTURES, "--chaos-drop", "1") as url:
        ...

Its Bedrock is not used: it frames the stream of ConverseStream in a way that AWS's own library does not read.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.servers.npm_packages import npm_program

PACKAGE, VERSION, PROGRAM = "@copilotkit/aimock", "1.43.0", "llmock"
_LISTENS = re.compile(rb"listening on (http://\S+)")


@asynccontextmanager
async def aimock(folder: Path, fixtures: list[dict[str, Any]], *flags: str) -> AsyncGenerator[str]:
    """The address of a server that answers by these fixtures; it ends with the context."""
    path = folder / "fixtures.json"
    path.write_text(json.dumps({"fixtures": fixtures}))
    program = await asyncio.to_thread(npm_program, PACKAGE, VERSION, PROGRAM)
    words = [program, "-p", "0", "-f", str(path), *flags]
    process = await asyncio.create_subprocess_exec(
        *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        assert process.stdout is not None
        yield await _address(process.stdout)
    finally:
        process.terminate()
        await process.communicate()


async def _address(output: asyncio.StreamReader) -> str:
    said = b""
    while line := await output.readline():
        said += line
        if found := _LISTENS.search(line):
            return found[1].decode()
    raise RuntimeError(f"aimock did not start:\n{said.decode()}")

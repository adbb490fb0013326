"""Where documents come from: a URL through the guard, a file of the config folder, or the request itself."""

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import httpx2

from ripieno.domain.errors import Invalid, Problem
from ripieno.domain.jsons import JsonObject
from ripieno.tools.openapi.addresses import root
from ripieno.tools.openapi.documents import MOST_BYTES

Client = Callable[[str], AbstractAsyncContextManager[httpx2.AsyncClient]]


class Sources:
    """Reads documents. `client` gives a guarded client to which one origin is open; `folder` is the only one read."""

    def __init__(self, client: Client, folder: Path) -> None:
        self._client = client
        self._folder = folder

    async def content(self, url: str, file: str, document: str | JsonObject | None) -> tuple[bytes, str]:
        """The bytes, and the URL they are from. Raises `Invalid`."""
        if [bool(url), bool(file), document is not None].count(True) != 1:
            raise Invalid("give one of url, file and document", [Problem("", "needs one of url, file and document")])
        if url:
            return await self._fetched(url), url
        if file:
            return self._read(file), ""
        text = document if isinstance(document, str) else json.dumps(document)
        return text.encode("utf-8", "replace"), ""

    async def _fetched(self, url: str) -> bytes:
        try:
            async with self._client(root(url)) as client:
                answer = await client.get(url, headers={"accept": "application/json, application/yaml, */*;q=0.5"})
        except httpx2.HTTPError as error:
            raise Invalid(f"{url} cannot be fetched: {str(error) or type(error).__name__}") from None
        if not answer.is_success:
            why = f"it answers {answer.status_code}"
            raise Invalid(f"{url} cannot be fetched: {why}", [Problem("/url", why)])
        return answer.content

    def _read(self, file: str) -> bytes:
        folder = self._folder.resolve()
        try:
            path = (folder / file).resolve()
            if not path.is_relative_to(folder):
                raise Invalid(f"{file} is not in the config folder", [Problem("/file", "is elsewhere")])
            with path.open("rb") as opened:
                return opened.read(MOST_BYTES + 1)
        except (OSError, ValueError):
            raise Invalid(f"{file} cannot be read in the config folder", [Problem("/file", "cannot be read")]) from None

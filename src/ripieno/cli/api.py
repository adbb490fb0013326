"""The HTTP API as commands use it: JSON in, JSON out, every refusal a `Stop`."""

import json
from collections.abc import AsyncIterator
from typing import Any, cast

import httpx2

from ripieno.cli.events import Event, FrameReader, from_cloud
from ripieno.cli.exits import Exit, Stop
from ripieno.domain.jsons import Json, JsonObject
from ripieno.ports import Clock

SECONDS = 60.0
CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 45.0
"""A stream says something at least every 15 seconds; three times that without a word is a dead connection."""

PATIENCE_SECONDS = 30.0
"""How long a lost stream is looked for before the server counts as gone."""

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 3.0
REFUSED = frozenset({400, 404, 413, 415, 422})
"""What the caller must change: these exit as wrong usage."""

PASSING = frozenset({429, 502, 503, 504})
"""What a stream that was cut tries again."""


class Api:
    """One server. `here` says that it runs inside this process and ends with it."""

    def __init__(
        self,
        url: str,
        key: str | None,
        clock: Clock,
        *,
        here: bool,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise Stop(Exit.USAGE, "usage", f"{url} is not the URL of a server; it must begin with http:// or https://")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        timeout = httpx2.Timeout(SECONDS, connect=CONNECT_SECONDS)
        try:
            self._client = httpx2.AsyncClient(
                base_url=url, headers=headers, timeout=timeout, transport=transport, trust_env=False
            )
        except (httpx2.InvalidURL, ValueError) as error:
            raise Stop(Exit.USAGE, "usage", f"{url} is not a URL: {error}") from None
        self.url = url
        self.here = here
        self.clock = clock

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def get(self, path: str, **query: Any) -> Json:
        """Read something. Raises `Stop`."""
        return await self._ask("GET", path, params={name: value for name, value in query.items() if value is not None})

    async def post(self, path: str, body: JsonObject | None = None) -> Json:
        """Do something. Raises `Stop`."""
        return await self._ask("POST", path, json=body or {})

    async def put(self, path: str, body: JsonObject) -> Json:
        """Set something. Raises `Stop`."""
        return await self._ask("PUT", path, json=body)

    async def delete(self, path: str) -> None:
        """Take something away. Raises `Stop`."""
        await self._ask("DELETE", path)

    async def upload(self, path: str, content: bytes, media_type: str, **query: str) -> Json:
        """Send a file. Raises `Stop`."""
        return await self._ask("POST", path, content=content, params=query, headers={"Content-Type": media_type})

    async def download(self, path: str) -> bytes:
        """Get a file. Raises `Stop`."""
        return (await self._answer("GET", path)).content

    async def _ask(self, method: str, path: str, **rest: Any) -> Json:
        answer = await self._answer(method, path, **rest)
        return answer.json() if answer.content else None

    async def _answer(self, method: str, path: str, **rest: Any) -> httpx2.Response:
        try:
            answer = await self._client.request(method, path, **rest)
        except httpx2.TransportError as error:
            raise self._away(error) from None
        if answer.is_error:
            raise _refusal(answer.status_code, answer.content)
        return answer

    async def follow(self, run_id: str, after: int = 0) -> AsyncIterator[Event]:
        """The events of a run as they come, until it ends. A lost connection is taken up again where it broke off.

        Raises:
            Stop: The run does not exist, or the server stays away.
        """
        patience = _Patience(self.clock)
        while True:
            try:
                async for event in self._stream(run_id, after):
                    patience.renew()
                    if event is None:
                        return
                    if event.seq > after:
                        after = event.seq
                        yield event
                lost: Exception = ConnectionError("the stream ended early")
            except httpx2.TransportError as error:
                lost = error
            if not await patience.lasts():
                raise self._away(lost)

    async def _stream(self, run_id: str, after: int) -> AsyncIterator[Event | None]:
        """One connection's worth of events; None after the run's last one."""
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
        timeout = httpx2.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS)
        path = f"/v1/runs/{run_id}/events"
        async with self._client.stream("GET", path, headers=headers, timeout=timeout) as answer:
            if answer.status_code in PASSING:
                return
            if answer.is_error:
                raise _refusal(answer.status_code, await answer.aread())
            reader = FrameReader()
            async for chunk in answer.aiter_bytes():
                for frame in reader.feed(chunk):
                    if frame.event == "end":
                        yield None
                        return
                    if frame.id is not None:
                        yield from_cloud(frame.json())

    def _away(self, error: Exception) -> Stop:
        why = str(error) or type(error).__name__
        return Stop(Exit.UNREACHABLE, "unreachable", f"no answer from {self.url}: {why}")


class _Patience:
    """How long to go on looking for a lost server, in growing pauses."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.renew()

    def renew(self) -> None:
        """The server is there."""
        self._pause = FIRST_PAUSE
        self._ends: float | None = None

    async def lasts(self) -> bool:
        """Wait a little; False when it has been long enough."""
        now = self._clock.monotonic()
        self._ends = now + PATIENCE_SECONDS if self._ends is None else self._ends
        if now > self._ends:
            return False
        await self._clock.sleep(self._pause)
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        return True


def _refusal(status: int, content: bytes) -> Stop:
    """What a problem document says, in the words of the command line."""
    problem = _problem(content)
    code, detail = problem.get("code") or f"http_{status}", problem.get("detail") or problem.get("title") or ""
    wrong = [f"{item.get('pointer', '')} {item.get('detail', '')}".strip() for item in problem.get("errors") or ()]
    wrong += [_effect(item) for item in problem.get("effects") or ()]
    sentence = f"{detail} ({'; '.join(wrong)})" if wrong else detail or f"the server answered {status}"
    return Stop(Exit.USAGE if status in REFUSED else Exit.FAILED, code, sentence)


def _effect(effect: JsonObject) -> str:
    """An effect that stands in the way, as `--settle` would name it."""
    reason = f": {effect['reason']}" if effect.get("reason") else ""
    return f"{effect.get('tool', '')} {effect.get('run_id', '')}:{effect.get('key', '')}{reason}"


def _problem(content: bytes) -> JsonObject:
    try:
        found: Json = json.loads(content)
    except ValueError:
        return {}
    return cast("JsonObject", found) if isinstance(found, dict) else {}

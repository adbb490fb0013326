"""`providers`: the CPU of one model call, by the provider's own SDK, by our wire, and through all rings around it.

The servers are fakes in processes of their own and answer at once, so all that is counted is the client's work.
"""

import asyncio
import statistics
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from bench import providers_sdks as sdks
from bench.programs import BenchFailed
from bench.report import Aim, Cell, Report, Table
from bench.sizes import Size
from ripieno import bootstrap, rings, settings
from ripieno.domain.messages import (
    AssistantMessage,
    Message,
    ModelEvent,
    ModelRequest,
    Reply,
    SystemMessage,
    TextDelta,
    UserMessage,
)
from ripieno.domain.usage import Usage
from ripieno.ports import Model

HISTORIES = {"short": 2, "long": 200}
"""How many messages a request has."""

WAYS = ("SDK", "wire", "rings")
NOBODY = "nobody"
BOUND_MS = 0.5
WARM = 5

Call: TypeAlias = Callable[[Sequence[sdks.Turn]], Awaitable[str]]
Measured: TypeAlias = dict[tuple[str, str], dict[str, list[float]]]
"""Milliseconds of CPU, call by call, by provider and history, then by way."""


def measure(folder: Path, size: Size) -> Report:
    """Take turns between the three ways, call by call.

    Raises:
        BenchFailed: A server did not start, or an answer is not the one that was sent.
    """
    return report(asyncio.run(_measured(folder, size)))


async def _measured(folder: Path, size: Size) -> Measured:
    measured: Measured = {}
    calls = size.of(30, 100, 300)
    async with AsyncExitStack() as stack:
        servers = {name: await stack.enter_async_context(sdks.served(name, folder)) for name in sdks.SERVERS}
        flags = {f"{name}.base_url": url for name, url in servers.items()}
        own = settings.load({**flags, **sdks.CREDENTIALS}, environ={})
        ringed = await stack.enter_async_context(_ringed(folder / "real", flags))
        for name, url in servers.items():
            async with AsyncExitStack() as inner:
                wire = await rings.provider_of(own.providers[name], 60, inner)
                asks: dict[str, Call] = {
                    "SDK": await inner.enter_async_context(sdks.asker(name, url)),
                    "wire": _Asked(wire, name).ask,
                    "rings": _Asked(ringed, name).ask,
                }
                for history, length in HISTORIES.items():
                    measured[name, history] = await _used(asks, sdks.conversation(length), calls)
        alone = await stack.enter_async_context(_around(_Instant(), folder / "instant", flags))
        asks = {"wire": _Asked(_Instant(), "openai").ask, "rings": _Asked(alone, "openai").ask}
        for history, length in HISTORIES.items():
            measured[NOBODY, history] = await _used(asks, sdks.conversation(length), calls * 10)
    return measured


@asynccontextmanager
async def _ringed(folder: Path, flags: Mapping[str, str]) -> AsyncGenerator[Model]:
    """The model of a whole platform that does nothing else."""
    given = {**flags, **sdks.CREDENTIALS, "data": folder / "data", "config": folder / "config"}
    async with bootstrap.opened(settings.load(given, environ={}), bootstrap.Extras(work=False)) as platform:
        yield platform.ports.model


@asynccontextmanager
async def _around(model: Model, folder: Path, flags: Mapping[str, str]) -> AsyncGenerator[Model]:
    """The same with this model in place of each provider."""

    async def provider_of(*_: object) -> Model:
        return model

    real = rings.provider_of
    rings.provider_of = provider_of
    try:
        async with _ringed(folder, flags) as ringed:
            yield ringed
    finally:
        rings.provider_of = real


class _Instant:
    """`ports.Model` that takes no time."""

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:  # noqa: ARG002 - always the same
        """The answer, word by word."""
        for word in sdks.ANSWER.split():
            yield TextDelta(f"{word} ")
        yield Reply(sdks.ANSWER, usage=Usage(100, 20, calls=1), model=sdks.MODELS["openai"], provider="openai")


async def _used(asks: Mapping[str, Call], turns: Sequence[sdks.Turn], calls: int) -> dict[str, list[float]]:
    used: dict[str, list[float]] = {way: [] for way in asks}
    for number in range(WARM + calls):
        for way, ask in asks.items():
            began = time.process_time()
            said = await ask(turns)
            if number >= WARM:
                used[way].append((time.process_time() - began) * 1000)
            if said != sdks.ANSWER:
                raise BenchFailed(f"{way} answered {said!r}")
    return used


@dataclass(frozen=True, slots=True)
class _Asked:
    """One of our models, asked as an SDK is."""

    model: Model
    name: str

    async def ask(self, turns: Sequence[sdks.Turn]) -> str:
        messages: list[Message] = [SystemMessage(sdks.INSTRUCTIONS)]
        messages += [UserMessage(text) if at % 2 == 0 else AssistantMessage(text) for at, text in enumerate(turns)]
        request = ModelRequest(f"{self.name}:{sdks.MODELS[self.name]}", tuple(messages), timeout=60)
        async for event in self.model.stream(request):
            if isinstance(event, Reply):
                return event.text
        return ""


def report(measured: Mapping[tuple[str, str], Mapping[str, Sequence[float]]]) -> Report:
    """Table and aims. What the rings add is measured around a model that takes no time: around others it is noise."""
    rows: list[list[Cell]] = []
    aims: list[Aim] = []
    for (name, history), ways in measured.items():
        medians = {way: statistics.median(used) for way, used in ways.items()}
        rows.append([name, history, *(medians.get(way) for way in WAYS), len(ways["wire"])])
        if name == NOBODY:
            added = medians["rings"] - medians["wire"]
            aims.append(Aim(f"{history}: what the rings add", added, BOUND_MS, "ms", at_most=True))
    columns = ("provider", "history", *(f"{way} ms" for way in WAYS), "calls")
    notes = (
        f"CPU of the client for one call, whose answer is a stream of {len(sdks.ANSWER.split())} words; medians.",
        f"Short is {HISTORIES['short']} messages, long {HISTORIES['long']}; the ways take turns, call by call.",
        f"`{NOBODY}` is a model in the same process that takes no time.",
    )
    numbers = {f"{name} {history}": dict(ways) for (name, history), ways in measured.items()}
    return Report("providers: the CPU of a model call", [Table(columns, rows)], aims, notes, numbers)

"""Our providers against fakes that others wrote: a misreading of a wire would not be in client and server alike."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx2
import pytest

from ripieno.clock import SystemClock
from ripieno.domain.errors import ModelRefused, ModelUnavailable
from ripieno.domain.messages import (
    AssistantMessage,
    Message,
    ModelRequest,
    Reply,
    SystemMessage,
    TextDelta,
    ToolMessage,
    UserMessage,
)
from ripieno.domain.tools import ToolSpec
from ripieno.models.retried import RetriedModel
from ripieno.ports import Model
from tests.acceptance.providers import ALL
from tests.servers.aimock import aimock

BASES = {"openai": "/v1", "responses": "/v1", "anthropic": "", "ollama": ""}
"""The wires that aimock speaks well, and what their base URLs end with."""

PING = ToolSpec("net.ping", "Ping a host.", {"type": "object", "properties": {"host": {"type": "string"}}})
WISHES = [{"name": "net__ping", "arguments": f'{{"host": "{host}"}}'} for host in ("a", "b")]
FIXTURES = [
    {"match": {"userMessage": "ping both", "turnIndex": 0}, "response": {"content": "I look.", "toolCalls": WISHES}},
    {"match": {"userMessage": "ping both", "turnIndex": 1}, "response": {"content": "Both answer."}},
    {"match": {"userMessage": "hello"}, "response": {"content": "Hello, and a good day to all of you."}},
    {
        "match": {"userMessage": "a key"},
        "response": {"error": {"message": "bad key", "type": "authentication_error"}, "status": 401},
    },
    {
        "match": {"userMessage": "too much"},
        "response": {"error": {"message": "overloaded", "type": "overloaded_error"}, "status": 529},
    },
]

pytestmark = [pytest.mark.acceptance, pytest.mark.needs("npm")]


@pytest.fixture(params=BASES)
def wire(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(trust_env=False) as client:
        yield client


@dataclass(frozen=True)
class Asker:
    wire: str
    http: httpx2.AsyncClient
    url: str

    def model(self) -> Model:
        return ALL[self.wire].model(self.http, "sk-none", f"{self.url}{BASES[self.wire]}")

    def request(self, *messages: Message) -> ModelRequest:
        return ModelRequest(ALL[self.wire].name, (SystemMessage("Be brief."), *messages), (PING,), timeout=30)

    async def reply(self, *messages: Message) -> Reply:
        last = [event async for event in self.model().stream(self.request(*messages))][-1]
        assert isinstance(last, Reply)
        return last


async def test_text_is_streamed_and_then_whole(wire: str, http: httpx2.AsyncClient, tmp_path: Path):
    async with aimock(tmp_path, FIXTURES) as url:
        asker = Asker(wire, http, url)
        events = [event async for event in asker.model().stream(asker.request(UserMessage("hello")))]
    *deltas, last = events
    assert isinstance(last, Reply)
    assert last.text == "Hello, and a good day to all of you."
    assert len(deltas) > 1
    assert "".join(delta.text for delta in deltas if isinstance(delta, TextDelta)) == last.text
    assert (last.finish_reason, last.usage.calls) == ("stop", 1)


async def test_two_tools_are_called_and_their_results_taken(wire: str, http: httpx2.AsyncClient, tmp_path: Path):
    async with aimock(tmp_path, FIXTURES) as url:
        asker = Asker(wire, http, url)
        goal = UserMessage("ping both")
        first = await asker.reply(goal)
        assert (first.text, first.finish_reason) == ("I look.", "tool_calls")
        assert [(call.name, call.arguments) for call in first.tool_calls] == [
            ("net.ping", {"host": "a"}),
            ("net.ping", {"host": "b"}),
        ]
        results = [ToolMessage(call.id, call.name, "1 ms", f"t1c{at}") for at, call in enumerate(first.tool_calls)]
        second = await asker.reply(goal, AssistantMessage(first.text, first.tool_calls), *results)
    assert (second.text, second.tool_calls, second.finish_reason) == ("Both answer.", (), "stop")


async def test_a_bad_key_and_an_overload_are_told_apart(wire: str, http: httpx2.AsyncClient, tmp_path: Path):
    async with aimock(tmp_path, FIXTURES) as url:
        asker = Asker(wire, http, url)
        with pytest.raises(ModelRefused, match=r"refuses the API key \(401\)"):
            await asker.reply(UserMessage("a key"))
        with pytest.raises(ModelUnavailable, match="529: overloaded"):
            await asker.reply(UserMessage("too much"))


@pytest.mark.parametrize(
    ("chaos", "errors", "said"),
    [
        ("drop", ModelUnavailable, "500"),
        ("ratelimit", ModelUnavailable, "429"),
        ("disconnect", ModelUnavailable, "no connection"),
        ("malformed", (ModelRefused, ModelUnavailable), "an answer|the stream ended"),
    ],
)
async def test_chaos_is_an_error_of_ours(
    wire: str,
    http: httpx2.AsyncClient,
    tmp_path: Path,
    chaos: str,
    errors: type[Exception] | tuple[type[Exception], ...],
    said: str,
):
    async with aimock(tmp_path, FIXTURES, f"--chaos-{chaos}", "1") as url:
        with pytest.raises(errors, match=said) as caught:
            await Asker(wire, http, url).reply(UserMessage("hello"))
    if chaos == "ratelimit":
        assert isinstance(caught.value, ModelUnavailable)
        assert caught.value.retry_after


async def test_a_provider_that_often_fails_answers_in_the_end(wire: str, http: httpx2.AsyncClient, tmp_path: Path):
    async with aimock(tmp_path, FIXTURES, "--chaos-drop", "0.2", "--chaos-disconnect", "0.2") as url:
        asker = Asker(wire, http, url)
        model = RetriedModel(asker.model(), SystemClock(), attempts=20, jitter=lambda: 1.0)
        request = replace(asker.request(UserMessage("hello")), timeout=100)
        last = [event async for event in model.stream(request)][-1]
    assert isinstance(last, Reply)
    assert last.text.startswith("Hello")

"""Goals, and the calls and answers that the offline model makes of them."""

import json

import pytest

from ripieno.domain.effects import EffectClass
from ripieno.domain.jsons import JsonObject
from ripieno.domain.messages import ModelRequest, Reply, SystemMessage, TextDelta, UserMessage
from ripieno.models.providers.offline import OfflineModel
from ripieno.models.providers.offline.model import respond
from tests.unit.models.providers.offline.toolbox import TEXT, TOOLS, ask, returned, tool, wished

GOALS: list[tuple[str, list[tuple[str, JsonObject]]]] = [
    ("How full are the disks and what is 12*34?", [("math.calculate", {"expression": "12*34"}), ("system.disk", {})]),
    ("What is 15% of 80?", [("math.calculate", {"expression": "15/100*80"})]),
    ("12 times 34 plus 5", [("math.calculate", {"expression": "12 * 34 + 5"})]),
    ("the square root of 144", [("math.calculate", {"expression": "sqrt(144)"})]),
    ("compare (3+4)*2 with 2^10", [("math.calculate", {"expression": each}) for each in ("(3+4)*2", "2**10")]),
    ("What time is it?", [("time.now", {})]),
    ("What time is it in New York?", [("time.now", {"timezone": "America/New_York"})]),
    ("time in UTC", [("time.now", {"timezone": "UTC"})]),
    ("What does https://example.com/a say?", [("web.fetch", {"url": "https://example.com/a"})]),
    (
        "Fetch https://example.com and https://example.org",
        [("web.fetch", {"url": "https://example.com"}), ("web.fetch", {"url": "https://example.org"})],
    ),
    ("How much memory is free and how busy is the CPU?", [("system.cpu", {}), ("system.memory", {})]),
    ("Show the top 5 processes by memory", [("system.processes", {"sort": "memory", "limit": 5})]),
    ("list the processes", [("system.processes", {})]),
    ("How long has this machine been up?", [("system.uptime", {})]),
    (
        "check the system",
        [(f"system.{name}", {}) for name in ("cpu", "disk", "memory", "processes", "uptime")],
    ),
    ("ping example.com and 8.8.8.8", [("net.ping", {"host": "8.8.8.8"}), ("net.ping", {"host": "example.com"})]),
    ("ping example.com 3 times", [("net.ping", {"host": "example.com", "count": 3})]),
    ("ping this machine", [("net.ping", {"host": "localhost"})]),
    ("Is port 443 open on example.com?", [("net.port", {"host": "example.com", "port": 443})]),
    ("is db.internal:5432 open", [("net.port", {"host": "db.internal", "port": 5432})]),
    (
        "Check port 443 and 80 on example.com",
        [("net.port", {"host": "example.com", "port": 443}), ("net.port", {"host": "example.com", "port": 80})],
    ),
    ("is the https port of example.com open?", [("net.port", {"host": "example.com", "port": 443})]),
    ("resolve example.com", [("net.dns", {"name": "example.com"})]),
    ("MX records of example.com", [("net.dns", {"name": "example.com", "type": "MX"})]),
    ("trace the route to example.com", [("net.traceroute", {"host": "example.com"})]),
    ("when does the certificate of example.com expire?", [("net.tls", {"host": "example.com"})]),
    (
        "search the logs for timeout in the last 2 hours",
        [("logs.search", {"pattern": "timeout", "since": "2h"})],
    ),
    ("grep the journal for 'disk error'", [("logs.search", {"pattern": "disk error"})]),
    ("what errors are in /var/log/syslog?", [("logs.errors", {"path": "/var/log/syslog"})]),
    ("Which branch is this repository on, and are there uncommitted changes?", [("git.facts", {})]),
    ("review the code in src/ripieno", [("code.review", {"path": "src/ripieno"})]),
    ("review the code in this checkout", [("code.review", {"path": "."})]),
    ("list the files in docs/", [("files.list", {"path": "docs/"})]),
    ("read notes.md", [("files.read", {"path": "notes.md"})]),
    ("What does README.md say?", [("files.read", {"path": "README.md"})]),
    ("Write 'hello' to hello.txt", [("files.write", {"path": "hello.txt", "content": "hello"})]),
    ("Write me a poem about spring", []),
    ("ping it", []),
    ("hello", []),
    ("", []),
]


@pytest.mark.parametrize(("goal", "calls"), GOALS, ids=[goal for goal, _ in GOALS])
def test_a_goal_leads_to_the_calls_it_means(goal: str, calls: list[tuple[str, JsonObject]]):
    assert wished(goal) == sorted(calls, key=str)


def test_independent_calls_come_in_one_turn_with_ids_of_their_own():
    reply = ask("How full are the disks and what is 12*34?")
    assert reply.finish_reason == "tool_calls"
    assert len({call.id for call in reply.tool_calls}) == 2


def test_results_are_quoted_with_their_evidence():
    goal = "How full are the disks and what is 12*34?"
    first = ask(goal)
    answer = ask(goal, *returned(first, "disk / 91 % full: 45 GiB of 49 GiB used", "12*34 = 408"))
    assert answer.tool_calls == ()
    assert answer.text.splitlines() == [
        "- system.disk: disk / 91 % full: 45 GiB of 49 GiB used [t1c0]",
        "- math.calculate 12*34: 12*34 = 408 [t1c1]",
    ]


def test_errors_of_tools_are_told_as_they_are():
    first = ask("trace the route to example.com")
    answer = ask(
        "trace the route to example.com",
        *returned(first, "traceroute is unavailable: apt-get install traceroute", error=True),
    )
    assert answer.tool_calls == ()
    assert (
        answer.text
        == "- net.traceroute example.com failed: traceroute is unavailable: apt-get install traceroute [t1c0]"
    )


def test_long_results_are_cut_to_the_lines_that_matter():
    first = ask("what errors are in /var/log/syslog?")
    noise = [f"line {number}: fine" for number in range(100)]
    answer = ask(
        "what errors are in /var/log/syslog?", *returned(first, "\n".join([*noise, "disk failed: error 5", *noise]))
    )
    lines = answer.text.splitlines()
    assert len(lines) == 12
    assert "- logs.errors /var/log/syslog: disk failed: error 5 [t1c0]" in lines


def test_json_results_are_quoted_as_lines():
    first = ask("resolve example.com")
    text = json.dumps({"answers": [{"ttl": 60, "data": "192.0.2.1"}], "tags": ["a", "b"]})
    assert ask("resolve example.com", *returned(first, text)).text.splitlines() == [
        "- net.dns example.com: answers[0].ttl: 60 [t1c0]",
        "- net.dns example.com: answers[0].data: 192.0.2.1 [t1c0]",
        "- net.dns example.com: tags: a, b [t1c0]",
    ]


def test_what_was_found_is_written_in_a_second_turn():
    goal = "How full are the disks? Write it to disk.md"
    first = ask(goal)
    after = returned(first, "disk / 91 % full")
    second = ask(goal, *after)
    assert [(call.name, call.arguments) for call in second.tool_calls] == [
        ("files.write", {"path": "disk.md", "content": "- system.disk: disk / 91 % full [t1c0]"})
    ]
    third = ask(goal, *after, *returned(second, "wrote disk.md", turn=2))
    assert third.tool_calls == ()
    assert third.text.endswith("- files.write disk.md: wrote disk.md [t2c0]")


def test_without_a_fitting_tool_it_says_so_and_lists_its_tools():
    text = ask("Compose music").text
    assert "offline model" in text
    assert "“Compose music”" in text
    assert all(each.name in text for each in TOOLS)
    assert "My tools: none." in ask("Compose music", tools=()).text


def test_a_fitting_tool_that_lacks_an_argument_is_named():
    assert "net.ping would fit but needs 'host'" in ask("ping it").text


def test_a_tool_that_changes_something_is_called_only_by_its_name():
    careful = tool("shop.order", "Buy a book in the shop and send a book.", "", effect=EffectClass.IRREVERSIBLE)
    harmless = tool("shop.browse", "Buy a book in the shop and send a book.")
    assert wished("buy a book", tools=(harmless,)) == [("shop.browse", {})]
    assert wished("buy a book", tools=(careful,)) == []
    assert wished("order a book", tools=(careful,)) == [("shop.order", {})]


def test_a_broad_goal_takes_what_only_reads_and_needs_nothing():
    specs = (
        tool("a.one", "X.", ""),
        tool("a.two", "Y.", "", {"host": TEXT}),
        tool("a.three", "Z.", effect=EffectClass.IDEMPOTENT),
    )
    assert wished("Give me an overview", tools=specs) == [("a.one", {})]
    assert wished("Give me a poem", tools=specs) == []


def test_data_helps_to_fill_and_to_match():
    assert wished("ping it", data={"host": "db.internal"}) == [("net.ping", {"host": "db.internal"})]
    assert wished("handle this", data={"alert": "the disk is full"}) == [("system.disk", {})]


def test_a_step_without_tools_passes_on_what_others_found():
    data = {"team_goal": "x", "results": {"disk": "- disk / 91 % full [t1c0]"}}
    assert ask("Say which is worst", tools=(), data=data).text == "- disk: disk / 91 % full [t1c0]"


PEOPLE = tool(
    "people.find",
    "Find people in the directory.",
    "people,person",
    {"city": TEXT, "active": {"type": "boolean"}},
    {
        "age": {"type": "integer"},
        "tags": {"type": "array", "items": {"enum": ["red", "blue"]}},
        "nested": {"$ref": "#/$defs/n"},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    },
)


@pytest.mark.parametrize(
    ("goal", "arguments"),
    [
        ("find people in Paris", {"city": "Paris", "active": False}),
        ("find active people with city=Rome, age 30", {"city": "Rome", "active": True, "age": 30}),
        ("find people not active in Paris, note: urgent", {"city": "Paris", "active": False, "note": "urgent"}),
        ('find people in "New York"', {"city": "New York", "active": False}),
    ],
)
def test_arguments_of_any_tool_are_filled_by_schema(goal: str, arguments: JsonObject):
    assert wished(goal, tools=(PEOPLE,)) == [("people.find", arguments)]


async def test_the_stream_is_the_text_in_pieces_and_then_the_reply():
    events = [
        event async for event in OfflineModel().stream(ModelRequest("offline", (UserMessage("Compose music"),), TOOLS))
    ]
    *pieces, reply = events
    assert isinstance(reply, Reply)
    assert len(pieces) > 3
    assert "".join(piece.text for piece in pieces if isinstance(piece, TextDelta)) == reply.text
    assert (reply.model, reply.provider, reply.metadata["model"]) == ("offline", "offline", "offline")
    assert reply.usage.calls == 1
    assert reply.usage.cost_usd == 0
    assert reply.usage.output_tokens == len(reply.text.split())


def test_only_the_last_question_counts():
    earlier = ask("How full are the disks?")
    before = (UserMessage("How full are the disks?"), *returned(earlier, "23 % full"))
    request = ModelRequest(
        "offline", (SystemMessage("Be kind."), *before, UserMessage("How full are the disks?")), TOOLS
    )
    assert [call.name for call in respond(request).tool_calls] == ["system.disk"]
    assert respond(ModelRequest("offline", ())).text

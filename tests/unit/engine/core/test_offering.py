"""Which tools a model is shown, and how it finds the others."""

from ripieno.domain.agents import AgentDefinition
from ripieno.domain.messages import Reply
from ripieno.domain.runs import Limits, RunInput
from ripieno.domain.tool_facts import tokens_of
from ripieno.domain.tools import ToolCall, ToolResult, ToolSpec, ToolStatus
from ripieno.engine.core.agent_loop import Job, agent_loop
from ripieno.engine.core.offering import AT_FIRST, FOUND, SEARCH, Room, first_shown, search_tool, searched
from ripieno.testing.playbook import Playbook
from ripieno.tools.schemas import check

MANY = tuple(ToolSpec(f"shop.count_{i:03}", f"Counts shelf {i}.", {"type": "object"}) for i in range(50))
PAY = ToolSpec("shop.pay", "Pays a bill.\n\nAt once.", {"type": "object"})
ASK = ToolSpec("person.ask", "Ask somebody.", {"type": "object"}, source="engine")


def test_where_there_is_room_all_are_shown():
    assert first_shown("pay", [*MANY, PAY], Room(51)) is None
    assert first_shown("pay", [*MANY, PAY], Room(50)) is not None
    assert first_shown("pay", [PAY], Room(tokens=tokens_of(PAY))) is None
    assert first_shown("pay", [PAY], Room(tokens=tokens_of(PAY) - 1)) == ()


def test_the_engines_own_and_what_fits_the_goal_are_shown_at_first():
    assert first_shown("pay the bill", [*MANY, PAY, ASK], Room(10)) == ("person.ask", "shop.pay")
    assert len(first_shown("count", [*MANY, ASK], Room(40)) or ()) == AT_FIRST + 1
    assert len(first_shown("count", [*MANY, ASK], Room(3)) or ()) == 3


def test_a_search_finds_by_what_tools_do_and_never_itself():
    specs = [search_tool(3), *MANY, PAY]
    found = searched("pay a bill", specs)
    assert (found.status, found.data) == (ToolStatus.OK, {"tools": ["shop.pay"]})
    assert found.text.endswith("- shop__pay: Pays a bill.")
    assert searched("count shelves", specs).text.count("\n- ") == FOUND
    nothing = searched("weather", specs)
    assert (nothing.ok, nothing.data) == (True, {"tools": []})


def test_long_descriptions_are_cut():
    long = ToolSpec("shop.long", "word " * 100, {})
    assert len(searched("word", [long]).text) < 250


def play(shown: tuple[str, ...] | None) -> Playbook:
    tools = (search_tool(50), *MANY, PAY)
    definition = AgentDefinition.model_validate({"name": "clerk"})
    return Playbook(agent_loop(Job(definition, RunInput("Count."), "", "offline", Limits(), tools, shown=shown), check))


def names(book: Playbook, reply: Reply) -> list[str]:
    return [spec.name for spec in book.model_says(reply).request.tools]


def test_what_a_search_found_is_shown_from_the_next_turn_on():
    book = play(("shop.count_001",))
    wants = Reply("", (ToolCall("1", SEARCH, {"query": "pay"}),))
    assert names(book, wants) == [SEARCH, "shop.count_001"]
    book.tools_return(ToolResult(ToolStatus.OK, "…", {"tools": ["shop.pay"]}))
    again = Reply("", (ToolCall("2", "shop.pay"),))
    assert names(book, again) == [SEARCH, "shop.count_001", "shop.pay"]
    book.tools_return("paid")
    assert names(book, Reply("done")) == [SEARCH, "shop.count_001", "shop.pay"]


def test_other_tools_show_nothing_and_all_are_shown_where_there_is_room():
    book = play(("shop.pay",))
    book.model_says(Reply("", (ToolCall("1", "shop.pay"),)))
    book.tools_return(ToolResult(ToolStatus.OK, "…", {"tools": ["shop.count_002"]}))
    assert names(book, Reply("done")) == [SEARCH, "shop.pay"]
    assert len(names(play(None), Reply("done"))) == len(MANY) + 2


def test_a_search_that_is_refused_shows_nothing_more():
    book = play(("shop.pay",))
    book.model_says(Reply("", (ToolCall("1", SEARCH, {"query": "x"}),)))
    book.tools_return(ToolResult(ToolStatus.DENIED, "no"))
    assert names(book, Reply("done")) == [SEARCH, "shop.pay"]

"""What is accepted of the tools of an MCP server, and what waits for a person."""

from datetime import UTC, datetime

from ripieno.domain.mcp_servers import Judged, OfferedTool, ToolPin, judged
from ripieno.domain.principals import SYSTEM

NOW, LATER = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
READ = OfferedTool("read", "Read it.", {"type": "object"})
CHANGED = OfferedTool("read", "Read it, and send it to me.", {"type": "object"})
ACCEPTED = ToolPin("read", READ, None, "alice", NOW, None)
HELD = ToolPin("read", READ, CHANGED, "alice", NOW, NOW)
OTHER = ToolPin("other", None, None, "", None, None)


def test_whatever_differs_is_another_tool():
    others = (
        CHANGED,
        OfferedTool("write", "Read it.", {"type": "object"}),
        OfferedTool("read", "Read it.", {"type": "string"}),
        OfferedTool("read", "Read it.", {"type": "object"}, {"type": "object"}),
        OfferedTool("read", "Read it.", {"type": "object"}, None, {"readOnlyHint": True}),
    )
    assert len({READ.digest, *(tool.digest for tool in others)}) == 6
    assert OfferedTool("read", "Read it.", {"type": "object"}).digest == READ.digest


def test_all_is_accepted_the_first_time():
    assert judged({}, [READ], allow_new=False) == [Judged(READ, accepted=True, action="PIN_MCP_TOOL")]


def test_a_new_tool_waits_unless_new_ones_are_allowed():
    held = Judged(READ, quarantined=True, action="QUARANTINE_MCP_TOOL")
    assert judged({"other": OTHER}, [READ], allow_new=False) == [held]
    assert judged({"other": OTHER}, [READ], allow_new=True) == [Judged(READ, accepted=True, action="PIN_MCP_TOOL")]
    pin = held.after(None, NOW)
    assert pin == ToolPin("read", None, READ, "", None, NOW)
    assert (pin.quarantined, pin.holds(READ), pin.awaits(READ), pin.awaits(CHANGED)) == (True, False, True, False)


def test_a_changed_tool_waits_beside_what_was_accepted():
    (found,) = judged({"read": ACCEPTED}, [CHANGED], allow_new=True)
    assert found == Judged(CHANGED, quarantined=True, action="QUARANTINE_MCP_TOOL")
    pin = found.after(ACCEPTED, LATER)
    assert pin == ToolPin("read", READ, CHANGED, "alice", NOW, LATER)
    assert (pin.holds(READ), pin.holds(CHANGED)) == (True, False)


def test_what_is_known_already_is_not_written_again():
    assert judged({"read": ACCEPTED}, [READ], allow_new=True) == []
    assert judged({"read": HELD}, [CHANGED], allow_new=True) == []


def test_a_tool_that_is_itself_again_leaves_quarantine():
    (found,) = judged({"read": HELD}, [READ], allow_new=True)
    assert found == Judged(READ)
    assert found.after(HELD, LATER) == ACCEPTED


def test_the_platform_accepts_what_nobody_looked_at():
    pin = Judged(READ, accepted=True).after(None, NOW)
    assert (pin.accepted_by, pin.accepted_at, pin.quarantined) == (SYSTEM.id, NOW, False)

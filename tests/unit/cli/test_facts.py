from ripieno.cli import facts
from tests.unit.cli.happenings import DISK, EXEC, TEAM, Happenings, told


def test_figures_of_a_team():
    make = Happenings()
    story = told(
        make.started(TEAM, "operations"),
        make.child(TEAM, "step/disk", DISK, "monitor"),
        make.replied(DISK, ("system.disk", {}), ("system.cpu", {}), ("net.ping", {})),
        make.returned(DISK, 0, "system.disk", "full"),
        make.returned(DISK, 1, "system.cpu", "busy"),
        make.returned(DISK, 2, "net.ping", "no ping here", status="unavailable"),
        make.ended(DISK),
        make.child(TEAM, "deliver", EXEC, "executor"),
        make.replied(EXEC, ("files.write", {})),
        make.asked(EXEC, 0, "files.write", {}),
        make.decided(EXEC, "approve"),
        make.returned(EXEC, 0, "files.write", "wrote"),
        make.reviewed(1, "rework"),
        make.reviewed(2, "accept"),
        make.ended(TEAM),
    )
    found = facts.gather(story)
    assert found.agents == ("monitor", "executor")
    assert found.tools == ("files.write", "system.cpu", "system.disk")
    assert (found.tool_calls, found.at_once, found.approvals) == (4, 3, 1)
    assert found.reviews == ("rework", "accept")
    assert (found.tokens, found.cost_usd, found.seconds) == (30, 0.02, 14.0)
    assert found.sentence() == (
        "2 agents · 3 different tools · 4 tool calls, up to 3 at once · 1 approval · 30 tokens · $0.0200 · 14.0 s"
    )


def test_calls_one_after_another_are_not_at_once():
    make = Happenings()
    story = told(
        make.started("r", "a"),
        make.replied("r", ("t.a", {})),
        make.returned("r", 0, "t.a", ""),
        make.replied("r", ("t.b", {}), turn=2),
        make.returned("r", 0, "t.b", "", turn=2),
    )
    assert facts.at_once(story.calls()) == 1


def test_nothing_has_ended_yet():
    make = Happenings()
    story = told(make.started("r", "a"), make.replied("r", ("t.a", {})), make.asked("r", 0, "t.a", {}))
    found = facts.gather(story)
    assert (found.tools, found.tool_calls, found.at_once, found.approvals, found.seconds) == ((), 0, 0, 0, 0.0)


def test_a_denial_is_no_approval():
    make = Happenings()
    events = [make.started("r", "a"), make.replied("r", ("t.a", {})), make.asked("r", 0, "t.a", {})]
    assert facts.gather(told(*events, make.decided("r", "deny"))).approvals == 0

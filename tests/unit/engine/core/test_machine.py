"""The table of a run's life."""

from ripieno.domain.runs import PARKED, TERMINAL, RunStatus
from ripieno.engine.core.machine import TRANSITIONS, Event, after


def reachable(start: RunStatus) -> set[RunStatus]:
    seen, todo = {start}, [start]
    while todo:
        status = todo.pop()
        for (before, _), then in TRANSITIONS.items():
            if before is status and then not in seen:
                seen.add(then)
                todo.append(then)
    return seen


def test_every_status_can_be_reached_from_queued():
    assert reachable(RunStatus.QUEUED) == set(RunStatus)


def test_what_has_ended_stays_ended():
    assert not [status for status, _ in TRANSITIONS if status in TERMINAL]


def test_from_everywhere_else_a_run_can_end_every_way():
    for status in set(RunStatus) - TERMINAL:
        assert reachable(status) >= TERMINAL


def test_only_a_claim_makes_a_run_running_and_only_from_the_queue():
    into = {pair for pair, then in TRANSITIONS.items() if then is RunStatus.RUNNING}
    assert into == {(RunStatus.QUEUED, Event.CLAIMED)}


def test_whatever_waits_goes_back_to_the_queue():
    for status in PARKED:
        event = Event.RESUMED if status is RunStatus.PAUSED else Event.WOKEN
        assert after(status, event) is RunStatus.QUEUED


def test_what_cannot_happen_has_no_status():
    assert after(RunStatus.COMPLETED, Event.CLAIMED) is None

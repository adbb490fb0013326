"""Hints inside one process."""

from ripieno.domain.hints import Hint, HintKind
from ripieno.store.dispatch_local import LocalDispatch

HINTS = [Hint(HintKind.WORK, "run_1"), Hint(HintKind.DELTA, "run_1", "Hel")]


def test_every_listener_hears_every_hint_in_order():
    dispatch, first, second = LocalDispatch(), list[Hint](), list[Hint]()
    dispatch.subscribe(first.append)
    dispatch.subscribe(second.append)
    dispatch.publish(HINTS)
    assert first == second == HINTS


def test_listener_may_leave_while_it_listens_and_leave_twice():
    dispatch, heard = LocalDispatch(), list[Hint]()

    def once(hint: Hint) -> None:
        heard.append(hint)
        leave()

    leave = dispatch.subscribe(once)
    dispatch.publish(HINTS[:1])
    dispatch.publish(HINTS)
    leave()
    assert heard == HINTS[:1]


def test_same_function_may_listen_twice():
    dispatch, heard = LocalDispatch(), list[Hint]()
    dispatch.subscribe(heard.append)
    leave = dispatch.subscribe(heard.append)
    dispatch.publish(HINTS[:1])
    leave()
    dispatch.publish(HINTS[:1])
    assert len(heard) == 3

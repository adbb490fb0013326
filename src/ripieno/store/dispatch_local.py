"""Hints inside one process."""

from collections.abc import Callable, Sequence

from ripieno.domain.hints import Hint


class LocalDispatch:
    """`ports.Dispatch` by calling the listeners at once, in the order in which they subscribed."""

    def __init__(self) -> None:
        self._listeners: dict[object, Callable[[Hint], None]] = {}

    def publish(self, hints: Sequence[Hint]) -> None:
        """Call every listener with every hint."""
        listeners = tuple(self._listeners.values())  # a listener may end its own subscription
        for hint in hints:
            for listener in listeners:
                listener(hint)

    def subscribe(self, listener: Callable[[Hint], None]) -> Callable[[], None]:
        """Add a listener; the answer removes it and may be called twice."""
        ticket = object()
        self._listeners[ticket] = listener

        def unsubscribe() -> None:
            self._listeners.pop(ticket, None)

        return unsubscribe

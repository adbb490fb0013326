"""Where a followed run is shown: a live picture on a terminal, plain lines elsewhere, or nowhere."""

import sys
from typing import Protocol

from rich.console import Console, RenderableType
from rich.live import Live

from ripieno.cli.events import Event
from ripieno.cli.lines import line
from ripieno.cli.picture import picture
from ripieno.cli.story import Story
from ripieno.cli.wording import clean
from ripieno.ports import Clock


class Screen(Protocol):
    """Shows a story as it goes on."""

    def show(self, event: Event, story: Story) -> None:
        """An event has come; the story has taken it."""
        ...

    def tick(self, story: Story) -> None:
        """Time has passed."""
        ...

    def say(self, text: str) -> None:
        """A line beside the story."""
        ...

    def prompt(self, text: str) -> None:
        """Words after which a person types."""
        ...

    def hide(self) -> None:
        """Leave the terminal to a question."""
        ...

    def reveal(self, story: Story) -> None:
        """Take the terminal back."""
        ...

    def close(self, story: Story) -> None:
        """Nothing more will come."""
        ...


class SilentScreen(Screen):
    """Shows no story: standard output is for one JSON document. What is said goes to standard error."""

    def show(self, event: Event, story: Story) -> None:
        del event, story

    def tick(self, story: Story) -> None:
        del story

    def say(self, text: str) -> None:
        print(clean(text), file=sys.stderr, flush=True)  # noqa: T201

    def prompt(self, text: str) -> None:
        sys.stdout.write(clean(text))
        sys.stdout.flush()

    def hide(self) -> None:
        return

    def reveal(self, story: Story) -> None:
        del story

    def close(self, story: Story) -> None:
        del story


class LineScreen(SilentScreen):
    """One line an event."""

    def show(self, event: Event, story: Story) -> None:
        if words := line(event, story):
            self.say(words)

    def say(self, text: str) -> None:
        print(clean(text), flush=True)  # noqa: T201


class LiveScreen(Screen):
    """A picture that is drawn again when something happens, and each tick."""

    def __init__(self, console: Console, clock: Clock) -> None:
        self._console = console
        self._clock = clock
        self._live: Live | None = None

    def show(self, event: Event, story: Story) -> None:
        del event
        if self._live is None:
            self.reveal(story)

    def tick(self, story: Story) -> None:
        if self._live is not None and self._live.is_started:
            self._live.update(self._drawn(story), refresh=True)

    def say(self, text: str) -> None:
        self._console.print(clean(text), markup=False, highlight=False, soft_wrap=True)

    def prompt(self, text: str) -> None:
        self._console.print(clean(text), markup=False, highlight=False, end="")

    def hide(self) -> None:
        if self._live is not None:
            self._live.transient = True
            self._live.stop()

    def reveal(self, story: Story) -> None:
        self._live = Live(self._drawn(story), console=self._console, auto_refresh=False)
        self._live.start(refresh=True)

    def close(self, story: Story) -> None:
        """Leave the last picture, in full, on the terminal."""
        self.hide()
        self._console.print(picture(story, self._clock.now(), sys.maxsize))

    def _drawn(self, story: Story) -> RenderableType:
        return picture(story, self._clock.now(), max(8, self._console.height - 1))

"""Gets decisions for what a followed run asks: by `--yes`, or from the person at the terminal."""

import json

from ripieno.cli import asking, forms, terminal, wording
from ripieno.cli.api import Api
from ripieno.cli.asking import Decide, Edit, View
from ripieno.cli.exits import Stop
from ripieno.cli.screens import Screen
from ripieno.cli.story import Question, Story
from ripieno.domain.interrupts import InterruptKind

FOR_OTHERS = frozenset({"own_request", "not_assignee", "already_voted"})
"""Refusals that say that somebody else must decide."""

OVERTAKEN = frozenset({"already_decided", "interrupt_expired", "run_ended"})
ASK_AGAIN = frozenset({"invalid", "invalid_arguments"})
BY_FLAG = "approved beforehand by --yes"


class Desk:
    """Takes the story after each event, and the lines that a person types."""

    def __init__(self, api: Api, screen: Screen, *, yes: bool, person: bool) -> None:
        self._api = api
        self._screen = screen
        self._yes = yes
        self._person = person
        self._sent: set[str] = set()
        self._left: set[str] = set()
        """What waits for others, after all that can be said here."""
        self._asked: Question | None = None

    @property
    def person(self) -> bool:
        """Whether somebody can be asked."""
        return self._person

    def sent(self, interrupt_id: str) -> None:
        """A decision of this one is on its way: it is not asked about, and its run does not stand still."""
        self._sent.add(interrupt_id)

    def helpless(self, story: Story) -> bool:
        """Whether the run stands still and nobody here can move it."""
        return not self._person and story.stalled and not any(item.id in self._sent for item in story.pending)

    async def look(self, story: Story) -> None:
        """Decide what may be decided, and put the next question to the person."""
        if self._yes:
            for question in self._open(story):
                if question.kind == InterruptKind.APPROVAL and await self._send(question, _AGREED):
                    about = f"{question.tool} {wording.arguments(question.arguments)}"
                    self._screen.say(f"approved {about} by --yes (risk {question.risk}, {question.id})")
        if self._asked is not None and self._asked not in story.pending:
            self._screen.say("\nthat was decided elsewhere")
            self._close(story)
        if self._asked is None and self._person and (waiting := self._open(story)):
            self._asked = waiting[0]
            self._screen.hide()
            self._put(self._asked)

    async def hear(self, line: str, story: Story) -> None:
        """Take a typed line."""
        if line == terminal.NO_MORE:
            self._person = False
            self._close(story)
            return
        if self._asked is None:
            return
        answer = asking.read(self._asked.kind, line)
        if isinstance(answer, Edit):
            answer = asking.read_arguments(answer.text or await self._edit(self._asked))
        if isinstance(answer, View):
            self._put(self._asked, whole=True)
        elif isinstance(answer, Decide):
            await self._decide(self._asked, forms.fitting(self._asked.kind, self._asked.request, answer.body), story)
        else:
            self._screen.say(answer.why)
            self._prompt(self._asked)

    # -- inside --------------------------------------------------------------------------------------------------

    def _open(self, story: Story) -> list[Question]:
        return [question for question in story.pending if question.id not in self._sent | self._left]

    def _put(self, question: Question, *, whole: bool = False) -> None:
        self._screen.say(asking.card(question, whole=whole).text())
        self._prompt(question)

    def _prompt(self, question: Question) -> None:
        self._screen.prompt(asking.PROMPTS[InterruptKind(question.kind)])

    async def _decide(self, question: Question, body: dict[str, object], story: Story) -> None:
        try:
            await self._send(question, body)
        except Stop as stop:
            if stop.code not in ASK_AGAIN:
                raise
            self._screen.say("; ".join(stop.sentences))
            self._prompt(question)
            return
        self._close(story)
        await self.look(story)

    async def _send(self, question: Question, body: dict[str, object]) -> bool:
        """Send a decision; False when it does not count: somebody else was first, or must decide."""
        self._sent.add(question.id)
        try:
            decided = await self._api.post(f"/v1/interrupts/{question.id}/decide", body)
        except Stop as stop:
            if stop.code in OVERTAKEN:
                self._screen.say("; ".join(stop.sentences))
                return False
            self._sent.discard(question.id)
            if stop.code in FOR_OTHERS:
                self._leave(question, "; ".join(stop.sentences))
                return False
            raise
        if asking.is_open(decided):
            self._sent.discard(question.id)
            self._leave(question, asking.progress(decided))
        return True

    def _leave(self, question: Question, why: str) -> None:
        self._left.add(question.id)
        self._screen.say(why)

    async def _edit(self, question: Question) -> str:
        try:
            return await terminal.edited(json.dumps(question.arguments, ensure_ascii=False, indent=2))
        except OSError as error:
            self._screen.say(f"the editor did not work ({error}); the arguments can be typed too: e {{JSON}}")
            return ""

    def _close(self, story: Story) -> None:
        if self._asked is not None:
            self._asked = None
            self._screen.reveal(story)


_AGREED: dict[str, object] = {"decision": "approve", "reason": BY_FLAG}

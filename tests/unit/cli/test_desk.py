import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from ripieno.cli.api import Api
from ripieno.cli.desk import Desk
from ripieno.cli.events import Event
from ripieno.cli.exits import Stop
from ripieno.cli.screens import Screen
from ripieno.cli.story import Story
from ripieno.testing.fake_clock import FakeClock
from tests.unit.cli.happenings import Happenings, told

Answering = Callable[[httpx2.Request], httpx2.Response]


class WrittenScreen(Screen):
    """Writes down what is shown."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.hidden = False

    def show(self, event: Event, story: Story) -> None:
        del event, story

    def tick(self, story: Story) -> None:
        del story

    def say(self, text: str) -> None:
        self.said.append(text)

    def prompt(self, text: str) -> None:
        self.said.append(text)

    def hide(self) -> None:
        self.hidden = True

    def reveal(self, story: Story) -> None:
        del story
        self.hidden = False

    def close(self, story: Story) -> None:
        del story


class Office:
    """A desk with a server that takes its decisions."""

    def __init__(self, answering: Answering | None = None, *, yes: bool = False, person: bool = True) -> None:
        self.sent: list[tuple[str, Any]] = []
        self.screen = WrittenScreen()
        self._answering = answering
        api = Api("http://x", None, FakeClock(), here=True, transport=httpx2.MockTransport(self._answer))
        self.desk = Desk(api, self.screen, yes=yes, person=person)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.sent.append((request.url.path, json.loads(request.content)))
        return self._answering(request) if self._answering else httpx2.Response(200, json={})


def problem(status: int, code: str) -> Answering:
    return lambda _: httpx2.Response(status, json={"code": code, "detail": f"it is {code}"})


def waiting(*more: Event, make: Happenings | None = None) -> Story:
    make = make or Happenings()
    events = [
        make.started("r", "executor"),
        make.replied("r", ("files.write", {"path": "a"})),
        make.asked("r", 0, "files.write", {"path": "a"}),
    ]
    return told(*events, *more)


async def test_a_person_says_yes():
    office, make = Office(), Happenings()
    story = waiting(make=make)
    await office.desk.look(story)
    assert office.screen.hidden
    assert "[y]es" in office.screen.said[-1]
    await office.desk.look(story)
    assert len(office.screen.said) == 2, "a question is put once"
    await office.desk.hear("y fine\n", story)
    assert office.sent == [("/v1/interrupts/apr_1/decide", {"decision": "approve", "reason": "fine"})]
    assert not office.screen.hidden
    story.apply(make.decided("r", "approve"))
    await office.desk.look(story)
    assert len(office.screen.said) == 2


async def test_two_questions_are_put_one_after_the_other():
    office, make = Office(), Happenings()
    story = waiting(make=make)
    story.apply(make.asked("r", 1, "files.write", {"path": "b"}, interrupt_id="apr_2"))
    await office.desk.look(story)
    await office.desk.hear("n\n", story)
    assert "(apr_2)" in office.screen.said[-2]
    await office.desk.hear("y\n", story)
    assert [path.split("/")[3] for path, _ in office.sent] == ["apr_1", "apr_2"]


async def test_unclear_words_and_view_ask_again():
    office = Office()
    story = waiting()
    await office.desk.look(story)
    await office.desk.hear("perhaps\n", story)
    await office.desk.hear("v\n", story)
    assert office.sent == []
    assert office.screen.said[2] == "please answer y or n"
    assert "More." in office.screen.said[4]
    assert "[y]es" in office.screen.said[-1]


async def test_typed_arguments_replace_those_of_the_call():
    office = Office()
    story = waiting()
    await office.desk.look(story)
    await office.desk.hear('e {"path": "c"}\n', story)
    assert office.sent == [("/v1/interrupts/apr_1/decide", {"decision": "approve", "arguments": {"path": "c"}})]


async def test_arguments_can_be_changed_in_an_editor(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", "sed -i s/a/z/2")
    office = Office()
    story = waiting()
    await office.desk.look(story)
    await office.desk.hear("e\n", story)
    assert office.sent == [("/v1/interrupts/apr_1/decide", {"decision": "approve", "arguments": {"path": "z"}})]


async def test_an_editor_that_fails_decides_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VISUAL", "false")
    office = Office()
    story = waiting()
    await office.desk.look(story)
    await office.desk.hear("e\n", story)
    assert office.sent == []
    assert "the editor did not work" in office.screen.said[2]
    assert "[y]es" in office.screen.said[-1]


async def test_arguments_that_do_not_fit_are_asked_for_again():
    office = Office(problem(422, "invalid"))
    story = waiting()
    await office.desk.look(story)
    await office.desk.hear("e {}\n", story)
    assert office.screen.said[-2:] == ["it is invalid", office.screen.said[1]]
    await office.desk.hear("y\n", story)
    assert len(office.sent) == 2


async def test_somebody_else_was_first():
    office, make = Office(problem(409, "already_decided")), Happenings()
    story = waiting(make=make)
    await office.desk.look(story)
    await office.desk.hear("y\n", story)
    assert office.screen.said[-1] == "it is already_decided"
    assert not office.screen.hidden


async def test_a_question_that_is_decided_elsewhere_is_taken_back():
    office, make = Office(), Happenings()
    story = waiting(make=make)
    await office.desk.look(story)
    story.apply(make.decided("r", "approve"))
    await office.desk.look(story)
    assert "decided elsewhere" in office.screen.said[-1]
    assert not office.screen.hidden
    await office.desk.hear("y\n", story)
    assert office.sent == []


@pytest.mark.parametrize("code", ["own_request", "not_assignee", "already_voted"])
async def test_what_others_must_decide_is_left_to_them(code: str):
    office = Office(problem(403, code))
    story = waiting()
    await office.desk.look(story)
    await office.desk.hear("y\n", story)
    assert office.screen.said[-1] == f"it is {code}"
    assert not office.screen.hidden
    said = len(office.screen.said)
    await office.desk.look(story)
    assert len(office.screen.said) == said
    await office.desk.hear("", story)
    assert office.desk.helpless(story)


async def test_an_approval_that_is_not_enough_waits_for_others():
    counted = {"id": "apr_1", "status": "pending", "votes": [{"by": "local"}], "required_approvals": 2}
    office = Office(lambda _: httpx2.Response(200, json=counted), yes=True, person=False)
    story = waiting()
    await office.desk.look(story)
    assert office.screen.said[0] == "apr_1 has 1 of 2 approvals; it waits for other people"
    assert office.desk.helpless(story)


async def test_a_refusal_that_no_answer_mends_ends_the_command():
    office = Office(problem(401, "unauthenticated"))
    story = waiting()
    await office.desk.look(story)
    with pytest.raises(Stop, match="it is unauthenticated"):
        await office.desk.hear("y\n", story)


async def test_the_end_of_the_input_leaves_the_run_waiting():
    office = Office()
    story = waiting()
    await office.desk.look(story)
    assert not office.desk.helpless(story)
    await office.desk.hear("", story)
    assert office.desk.helpless(story)
    assert office.sent == []


async def test_yes_approves_visibly_and_only_approvals():
    office, make = Office(yes=True, person=False), Happenings()
    story = waiting(make=make)
    story.apply(make.asked("r", 1, "files.write", {}, interrupt_id="apr_2", kind="budget"))
    await office.desk.look(story)
    await office.desk.look(story)
    body = {"decision": "approve", "reason": "approved beforehand by --yes"}
    assert office.sent == [("/v1/interrupts/apr_1/decide", body)]
    assert office.screen.said == ['approved files.write {"path": "a"} by --yes (risk high, apr_1)']


async def test_nobody_there():
    office, make = Office(person=False), Happenings()
    story = told(make.started("r", "executor"))
    assert not office.desk.helpless(story)
    assert office.desk.helpless(waiting())


async def test_a_decision_on_its_way_is_waited_for():
    office = Office(yes=True, person=False)
    story = waiting()
    await office.desk.look(story)
    assert not office.desk.helpless(story)


async def test_what_was_just_decided_is_not_asked_about_and_is_waited_for():
    office = Office(person=False)
    story = waiting()
    assert office.desk.helpless(story)
    office.desk.sent("apr_1")
    assert not office.desk.helpless(story)
    asking = Office()
    asking.desk.sent("apr_1")
    await asking.desk.look(story)
    assert asking.screen.said == []

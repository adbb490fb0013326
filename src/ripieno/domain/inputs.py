"""What a tool asks a person before it can do its work, as the result of an attempt that did not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from ripieno.domain import jsons
from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.tools import ToolResult, ToolStatus

ACCEPT, DECLINE = "accept", "decline"


@dataclass(frozen=True, slots=True)
class InputQuestion:
    """One question: a form, whose answer fits `schema`, or a page that a person is to visit."""

    message: str
    schema: JsonObject | None = None
    url: str = ""

    @property
    def digest(self) -> str:
        """By which an answer finds its question when the tool asks it again."""
        return jsons.digest([self.message, self.schema, self.url])

    def shown(self) -> JsonObject:
        """What a person sees of it."""
        form: JsonObject = {"schema": self.schema} if self.schema is not None else {}
        return {"question": self.message, **form, **({"url": self.url} if self.url else {})}


def required(tool: str, questions: Sequence[InputQuestion]) -> ToolResult:
    """The result of an attempt that ended in these questions."""
    text = f"{tool} asks: " + " / ".join(question.message for question in questions)
    data: Json = {"questions": [jsons.encode(question) for question in questions]}
    hint = "start a run, in which a person can answer"
    return ToolResult(ToolStatus.INPUT_REQUIRED, text, data, hint)


def questions(result: ToolResult) -> list[InputQuestion]:
    """What such a result asks."""
    data = cast("dict[str, Any]", result.data) if isinstance(result.data, dict) else {}
    return [jsons.decode(InputQuestion, question) for question in data.get("questions", [])]


def said(answer: Json) -> JsonObject:
    """A person's answer as tools are told it; without an answer they declined."""
    return {"action": DECLINE} if answer is None else {"action": ACCEPT, "content": answer}

"""How many tokens a text has, estimated without the vocabulary of any model.

Vocabularies are to be had from the network alone, and differ. What is counted here are the pieces into which all of
them cut: words, numbers by threes, runs of signs, and characters of other scripts. `Gauge` corrects the estimate by
what the provider has counted, so that it is right for the model that answers.
"""

import json
import re
from collections.abc import Iterable

from ripieno.domain.jsons import JsonObject
from ripieno.domain.messages import AssistantMessage, Message, UserMessage
from ripieno.domain.tools import ToolSpec

A_MESSAGE = 4
A_FILE = 1600
"""About what an image takes; nobody knows for other kinds before they are sent."""

LEAST, MOST = 0.5, 3.0
"""How far a count may correct the estimate: beyond that it is about something else."""

_PIECES = re.compile(
    r"([A-Za-z]+)|(\d+)|([^\sA-Za-z\d\x80-\U0010ffff]+)|([\u0370-\u1fff]+)|([\x80-\U0010ffff])|(\s{2,})"
)


def of_text(text: str) -> int:
    """The tokens of a text, about."""
    count = 0
    for found in _PIECES.finditer(text):
        length = found.end() - found.start()
        match found.lastindex:
            case 1:  # letters: a common word is one
                count += 1 + (length - 1) // 7
            case 2:  # digits
                count += (length + 2) // 3
            case 3:  # signs
                count += (length + 1) // 2
            case 4:  # Greek, Cyrillic, Arabic …
                count += (length + 2) // 3
            case 5:  # Chinese, accents, emoji
                count += 1
            case _:  # an indented line
                count += 1
    return count


def of_message(message: Message) -> int:
    """The tokens of a message with all that it holds."""
    count = A_MESSAGE + of_text(message.text)
    if isinstance(message, AssistantMessage):
        count += sum(A_MESSAGE + of_json([call.name, call.arguments]) for call in message.tool_calls)
    if isinstance(message, UserMessage):
        count += A_FILE * len(message.attachments) + (of_json(message.data) if message.data else 0)
    return count


def of_tools(tools: Iterable[ToolSpec], output_schema: JsonObject | None) -> int:
    """The tokens of what a request holds beside its messages."""
    count = sum(A_MESSAGE + of_text(tool.description) + of_json([tool.name, tool.input_schema]) for tool in tools)
    return count + (of_json(output_schema) if output_schema else 0)


def of_json(value: object) -> int:
    """The tokens of a JSON value."""
    return of_text(json.dumps(value, ensure_ascii=False))


class Gauge:
    """Corrects estimates by what was counted for the requests before."""

    def __init__(self) -> None:
        self._ratio = 1.0

    def corrected(self, estimate: int) -> int:
        """The estimate in the tokens of the model that answers."""
        return round(estimate * self._ratio)

    def uncorrected(self, count: float) -> int:
        """So many tokens of the model, as they would be estimated."""
        return int(count / self._ratio)

    def learn(self, estimate: int, counted: int) -> None:
        """Take the count of a request; none is no news."""
        if estimate > 0 and counted > 0:
            self._ratio = min(MOST, max(LEAST, counted / estimate))

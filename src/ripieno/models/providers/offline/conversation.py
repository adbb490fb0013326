"""What the offline model reads out of a request: the goal, what it called, what came back."""

from collections.abc import Sequence
from dataclasses import dataclass

from ripieno.domain.jsons import JsonObject, canonical
from ripieno.domain.messages import AssistantMessage, ModelRequest, ToolMessage, UserMessage
from ripieno.domain.tools import ToolCall


@dataclass(frozen=True, slots=True)
class Conversation:
    """The part of a request that counts: from its last user message on."""

    goal: str
    data: JsonObject
    calls: tuple[ToolCall, ...]
    results: tuple[ToolMessage, ...]

    def has_called(self, name: str, arguments: JsonObject) -> bool:
        """Whether this very call was made before."""
        return any(call.name == name and canonical(call.arguments) == canonical(arguments) for call in self.calls)

    def call_of(self, result: ToolMessage) -> ToolCall:
        """The call that a result answers."""
        return next((call for call in self.calls if call.id == result.call_id), ToolCall(result.call_id, result.name))

    @property
    def spoken(self) -> Sequence[ToolMessage]:
        """The results that said anything."""
        return [result for result in self.results if result.text.strip()]


def read(request: ModelRequest) -> Conversation:
    """Read a request; one without a user message has an empty goal."""
    messages = request.messages
    asked = [index for index, message in enumerate(messages) if isinstance(message, UserMessage)]
    start = asked[-1] if asked else 0
    last = messages[start] if asked else None
    since = messages[start:]
    return Conversation(
        goal=last.text if isinstance(last, UserMessage) else "",
        data=(last.data or {}) if isinstance(last, UserMessage) else {},
        calls=tuple(call for message in since if isinstance(message, AssistantMessage) for call in message.tool_calls),
        results=tuple(message for message in since if isinstance(message, ToolMessage)),
    )

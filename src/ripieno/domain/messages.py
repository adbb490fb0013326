"""The conversation with a model: messages in, a request around them, events and a reply out."""

from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.tools import ToolCall, ToolSpec
from ripieno.domain.usage import NOTHING_USED, Usage


@dataclass(frozen=True, slots=True)
class SystemMessage:
    """Instructions."""

    text: str
    role: Literal["system"] = "system"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that comes with a message: an image, a sound, a PDF, a text.

    The bytes are `data`, or those of the artifact. Its JSON, and so a journal, has the artifact and never the bytes.
    """

    media_type: str
    name: str
    data: Annotated[bytes | None, Field(exclude=True)] = field(default=None, repr=False)
    artifact_id: str = ""


@dataclass(frozen=True, slots=True)
class UserMessage:
    """What a person or another agent says. `data` is shown to the model as a JSON block after the text.

    Without attachments its JSON is what it was before there were any: fingerprints of conversations are made of it.
    """

    text: str
    data: JsonObject | None = None
    attachments: Annotated[tuple[Attachment, ...], Field(exclude_if=lambda some: not some)] = ()
    role: Literal["user"] = "user"


@dataclass(frozen=True, slots=True)
class AssistantMessage:
    """What the model said before."""

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    role: Literal["assistant"] = "assistant"


@dataclass(frozen=True, slots=True)
class ToolMessage:
    """What a tool answered. `evidence_id` is how a model cites it: `[t1c0]`."""

    call_id: str
    name: str
    text: str
    evidence_id: str = ""
    is_error: bool = False
    role: Literal["tool"] = "tool"


Message: TypeAlias = SystemMessage | UserMessage | AssistantMessage | ToolMessage


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One call of a model.

    `model` is `provider:name`, `offline`, or the name of a route. `purpose` tells what the turn is for (`act`, `plan`,
    `compose`, `review`, `deliver`): routes may use it, and the offline model does. `timeout` is in seconds.
    `fingerprint` identifies the conversation so far. `labels` say on whose behalf it is made, see `LABELS`: they choose
    a route, and are not sent.
    """

    model: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    output_schema: JsonObject | None = None
    purpose: str = "act"
    temperature: float | None = None
    max_tokens: int | None = None
    timeout: float = 120.0
    fingerprint: str = ""
    labels: JsonObject = field(default_factory=dict[str, Json])


LABELS = ("tenant", "run", "key", "agent", "session", "user", "tags", "channel", "account", "peer")
"""What a request may be labelled with: texts, and `tags` a list of them. What is not known is left out."""


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the answer's text, as it arrives."""

    text: str


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer. `model` is what really answered.

    `finish_reason` is `stop`, `tool_calls`, `length` or `content_filter`.
    """

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage = NOTHING_USED
    model: str = ""
    provider: str = ""
    finish_reason: str = "stop"
    metadata: JsonObject = field(default_factory=dict[str, Json])


ModelEvent: TypeAlias = TextDelta | Reply
"""What a model streams: any number of deltas, then exactly one `Reply`."""

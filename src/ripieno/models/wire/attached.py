"""Files that come with messages, as models are given them."""

import re
from collections.abc import Iterator
from dataclasses import replace

from ripieno.domain.errors import ModelRefused, UnsupportedInput
from ripieno.domain.messages import Attachment, Message, ModelRequest, UserMessage

TEXTS = frozenset(
    {
        "application/json",
        "application/sql",
        "application/toml",
        "application/x-ndjson",
        "application/x-sh",
        "application/xml",
        "application/yaml",
        "application/x-yaml",
        "application/javascript",
    }
)
"""What is text beside `text/…`."""

SAME = {"audio/x-wav": "audio/wav", "audio/wave": "audio/wav", "audio/mp3": "audio/mpeg", "image/jpg": "image/jpeg"}
"""Other names of media types."""

_TICKS = re.compile(r"`{3,}")


def media_type(attachment: Attachment) -> str:
    """Its media type under its usual name, without parameters."""
    plain = attachment.media_type.partition(";")[0].strip().lower()
    return SAME.get(plain, plain)


def is_text(attachment: Attachment) -> bool:
    """Whether any model can read it: text is given to all of them as text."""
    kind = media_type(attachment)
    return kind.startswith("text/") or kind in TEXTS or kind.endswith(("+json", "+xml"))


def content(attachment: Attachment) -> bytes:
    """Its bytes.

    Raises:
        ModelRefused: Nobody has put them there.
    """
    if attachment.data is None:
        raise ModelRefused(f"the content of the attachment {attachment.name!r} is not at hand")
    return attachment.data


def with_texts(message: UserMessage) -> UserMessage:
    """The message with the texts of its text files after its own, and the other files still attached.

    Raises:
        UnsupportedInput: A file says that it is text, and is none.
    """
    texts = [_told(each) for each in message.attachments if is_text(each)]
    others = tuple(each for each in message.attachments if not is_text(each))
    return replace(message, text="\n\n".join([message.text, *texts]).strip(), attachments=others) if texts else message


def in_words(request: ModelRequest, model: str) -> ModelRequest:
    """The request for a model that takes nothing but text.

    Raises:
        UnsupportedInput: There is something else in it.
    """
    if not any(attachments(request)):
        return request
    messages = tuple(with_texts(each) if isinstance(each, UserMessage) else each for each in request.messages)
    request = replace(request, messages=messages)
    for left in attachments(request):
        raise unsupported(left, model)
    return request


def attachments(request: ModelRequest) -> Iterator[Attachment]:
    """All files in a conversation."""
    for message in request.messages:
        yield from _of(message)


def unsupported(attachment: Attachment, model: str) -> UnsupportedInput:
    """Say that a model does not take a file of this kind."""
    kind = media_type(attachment) or "of no known kind"
    return UnsupportedInput(f"{model} takes no {kind}, as {attachment.name!r} is")


def _of(message: Message) -> tuple[Attachment, ...]:
    return message.attachments if isinstance(message, UserMessage) else ()


def _told(attachment: Attachment) -> str:
    try:
        text = content(attachment).decode()
    except UnicodeDecodeError:
        raise UnsupportedInput(f"{attachment.name!r} says that it is text, and is no UTF-8") from None
    longest = max((len(found[0]) for found in _TICKS.finditer(text)), default=2)
    fence = "`" * (longest + 1)
    return f"{label(attachment)}\n\n{fence}\n{text}\n{fence}"


def label(attachment: Attachment) -> str:
    """What stands before a file, so that it can be told from others."""
    return f"Attached: {' '.join(attachment.name.split()) or 'a file without a name'}"

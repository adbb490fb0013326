"""What goes wrong with a provider, as the two errors that the rest of the program knows."""

from collections.abc import Sequence
from typing import cast

import httpx2
from pydantic_ai.exceptions import (
    ModelAPIError,
    ModelConnectionError,
    ModelHTTPError,
    ModelQuotaExceededError,
    ModelRequestRejectedError,
    UnexpectedModelBehavior,
    UserError,
)

from ripieno.domain.errors import ContextExceeded, ModelRefused, ModelUnavailable

SHAPELESS = (AssertionError, AttributeError, LookupError, TypeError)
"""What the libraries fall over where an answer does not have the shape that they count on."""

EXPECTED = (ModelAPIError, UnexpectedModelBehavior, UserError, httpx2.HTTPError, ValueError, *SHAPELESS)
"""Everything that the libraries raise for a failed call; the SDKs' own errors come to it."""

TOO_LONG = (
    *("maximum context length", "context_length_exceeded", "context length", "context window", "context size"),
    *("prompt is too long", "input is too long", "too many input tokens", "input length and `max_tokens` exceed"),
    *("exceeds the maximum number of tokens", "longer than the model's context", "reduce the length of the messages"),
)
"""How OpenAI, Anthropic, Bedrock, Ollama and servers like them say that a conversation is too long."""

PASSING = frozenset({408, 409, 424, 425, 429})
LONGEST_DETAIL = 300


def translated(error: Exception, secrets: Sequence[str], *, began: bool) -> ModelUnavailable | ModelRefused:
    """Say what an error of the libraries means; `began` tells whether any part of an answer had come.

    No secret stands in the text, even where the provider repeats it.
    """
    if isinstance(error, ModelHTTPError):
        return _status(error, secrets)
    if isinstance(error, ModelConnectionError | httpx2.TransportError):
        broken = "the stream broke off" if began else "no connection to the provider"
        return ModelUnavailable(f"{broken}: {_clean(str(error), secrets)}", getattr(error, "retry_after", None))
    if isinstance(error, ModelAPIError) and error.in_stream:
        return ModelUnavailable(f"the provider broke off: {_clean(error.message, secrets)}", error.retry_after)
    if isinstance(error, ModelAPIError) and error.__cause__ is None and began:
        # The wire library's word for a stream that ended before it said why it ended.
        return ModelUnavailable("the stream ended in the middle")
    return ModelRefused(_useless(error, secrets))


def unsent(error: Exception, secrets: Sequence[str]) -> ModelRefused:
    """Say why the libraries would not send a request at all."""
    return ModelRefused(f"the request was not sent: {_clean(str(error), secrets)}")


def _useless(error: Exception, secrets: Sequence[str]) -> str:
    if isinstance(error, ModelRequestRejectedError):
        return unsent(error, secrets).detail
    if isinstance(error, ModelAPIError) and error.__cause__ is None:
        return "an answer without choices"
    if isinstance(error, SHAPELESS):
        return "an answer that is none: it lacks what belongs into it"
    return f"an answer that is none: {_clean(str(error), secrets)}"


def _status(error: ModelHTTPError, secrets: Sequence[str]) -> ModelUnavailable | ModelRefused:
    status = error.status_code
    if status in {401, 403}:
        # What providers say here repeats parts of the key.
        return ModelRefused(f"the provider refuses the API key ({status})")
    said = f"the provider answered {status}: {_clean(_message(error), secrets)}"
    if isinstance(error, ModelQuotaExceededError):
        return ModelRefused(said)
    if about_length(said):
        return ContextExceeded(said)
    if status in PASSING or status >= 500:  # noqa: PLR2004
        return ModelUnavailable(said, error.retry_after)
    return ModelRefused(said)


def about_length(said: str) -> bool:
    """Whether these words of a provider say that a conversation is longer than its model takes."""
    return any(words in said.lower() for words in TOO_LONG)


def _message(error: ModelHTTPError) -> str:
    body = error.body
    if isinstance(body, dict):
        document = cast("dict[str, object]", body)
        inner = document.get("error", document.get("Error", document))
        if isinstance(inner, dict):
            told = cast("dict[str, object]", inner)
            return str(told.get("message") or told.get("Message") or told)
        return str(inner)
    return str(body) if body else error.message


def _clean(text: str, secrets: Sequence[str]) -> str:
    text = " ".join(text.split())
    for secret in secrets:
        text = text.replace(secret, "***")
    return text if len(text) <= LONGEST_DETAIL else f"{text[:LONGEST_DETAIL]} …"


def about_format(error: ModelUnavailable | ModelRefused) -> bool:
    """Whether the server refused the request because it cannot be told the shape of an answer."""
    words = (
        "response_format",
        "output_config",
        "outputconfig",
        "output_format",
        "json_schema",
        "structured output",
        "guided",
    )
    words += ("grammar", "schema is too complex", "schema complexity")
    return isinstance(error, ModelRefused) and any(word in error.detail.lower() for word in words)


def about_input(error: ModelRefused) -> bool:
    """Whether the server refused the request because the model does not take a kind of file."""
    words = ("image", "audio", "vision", "pdf", "document", "modalit", "multimodal", "media type", "file")
    refused = error.detail.startswith(
        ("the provider answered 400", "the provider answered 415", "the provider answered 422")
    )
    return refused and any(word in error.detail.lower() for word in words)

"""What rules can know of a request: whose it is, how large it is, and how hard it looks."""

import json
import re
from collections.abc import Mapping
from typing import Any, TypeAlias

from ripieno.domain.messages import Message, ModelRequest, UserMessage

Facts: TypeAlias = Mapping[str, Any]

TEXTS = ("tenant", "agent", "session", "user", "channel", "account", "peer")
FACTS = (*TEXTS, "tags", "model", "purpose", "tokens", "tools", "modalities", "structured", "complexity")
"""The names that conditions may use. What is not known is an empty text or list."""

BYTES_A_TOKEN = 4
TOKENS_A_MESSAGE = 4

_WORD = re.compile(r"\w+")
_HARD = re.compile(
    r"\b(why|prove|derive|design|architect\w*|compare|trade-?offs?|analy[sz]e|debug|diagnose|refactor|optimi[sz]e|plan"
    r"|strategy|step by step|evaluate|reconcile|root cause)\b|```|^\s*\d+[.)]\s",
    re.IGNORECASE | re.MULTILINE,
)
_PIECE = 20_000
"""Characters of the last message that are looked at for signs of difficulty."""


def facts_of(request: ModelRequest) -> Facts:
    """Everything that rules can know of a request."""
    tokens = estimated_tokens(request)
    labels = {name: str(request.labels.get(name, "")) for name in TEXTS}
    return {
        **labels,
        "tags": list(request.labels.get("tags", ())),
        "model": request.model,
        "purpose": request.purpose,
        "tokens": tokens,
        "tools": [tool.name for tool in request.tools],
        "modalities": sorted({"text", *(kind for each in request.messages for kind in _modalities(each))}),
        "structured": request.output_schema is not None,
        "complexity": complexity(request, tokens),
    }


def estimated_tokens(request: ModelRequest) -> int:
    """About how many tokens are sent: four bytes each, as in English text."""
    bytes_sent = sum(len(message.text.encode()) for message in request.messages)
    described = sum(len(tool.description) + len(json.dumps(tool.input_schema)) for tool in request.tools)
    return (bytes_sent + described) // BYTES_A_TOKEN + TOKENS_A_MESSAGE * (len(request.messages) + len(request.tools))


def complexity(request: ModelRequest, tokens: int) -> float:
    """How hard a request looks, from 0 to 1, by its form alone.

    The parts and their most: length of what was last said (0.25, reached at 300 words), words and forms that call for
    thought in it (0.35, at four), the whole conversation (0.2, at 32,000 tokens), tools to choose from (0.1, at 20),
    and an answer with a prescribed shape (0.1). The words are English.
    """
    said = next((each.text for each in reversed(request.messages) if isinstance(each, UserMessage)), "")[:_PIECE]
    parts = (
        (0.25, len(_WORD.findall(said)) / 300),
        (0.35, len(_HARD.findall(said)) / 4),
        (0.2, tokens / 32_000),
        (0.1, len(request.tools) / 20),
        (0.1, 1.0 if request.output_schema is not None else 0.0),
    )
    return round(sum(most * min(1.0, share) for most, share in parts), 3)


def _modalities(message: Message) -> set[str]:
    attachments = message.attachments if isinstance(message, UserMessage) else ()
    return {_modality(each.media_type) for each in attachments}


def _modality(media_type: str) -> str:
    kind = media_type.partition("/")[0]
    return kind if kind in {"text", "image", "audio", "video"} else "document"

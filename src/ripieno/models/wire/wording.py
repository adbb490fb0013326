"""What models are told in words, whichever way the words go out."""

import json

from ripieno.domain.jsons import JsonObject
from ripieno.domain.messages import ToolMessage


def schema_instruction(schema: JsonObject) -> str:
    """Tell a model in words which JSON to answer with, for servers that cannot be told otherwise."""
    text = json.dumps(schema, ensure_ascii=False)
    return (
        f"Your final answer must be one JSON document, nothing before or after it, valid for this JSON Schema:\n{text}"
    )


def result_text(message: ToolMessage) -> str:
    """A tool's result under the id by which it can be cited."""
    head = " ".join([f"[{message.evidence_id}]"] * bool(message.evidence_id) + ["(failed)"] * message.is_error)
    return f"{head}\n{message.text}" if head else message.text

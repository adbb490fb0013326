"""Bodies as text: how every store writes JSON and reads it back."""

import json

from pydantic_core import PydanticSerializationError, from_json, to_json

from ripieno.domain.errors import Invalid
from ripieno.domain.jsons import Json


def dump(value: Json) -> str:
    """JSON as text. Not-a-number becomes null, half a surrogate pair a question mark: no reader could take them.

    Raises:
        Invalid: The value is no JSON.
    """
    try:
        return _text(value)
    except PydanticSerializationError:
        pass
    try:
        return _text(json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")))
    except (TypeError, ValueError, RecursionError) as error:
        raise Invalid(f"this cannot be written as JSON: {error}") from error


def load(text: str) -> Json:
    """What `dump` wrote."""
    return from_json(text)


def _text(value: Json) -> str:
    return to_json(value, inf_nan_mode="null").decode()

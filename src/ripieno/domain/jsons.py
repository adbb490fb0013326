"""JSON as the program sees it, and the one way domain values become JSON and come back."""

import hashlib
import json
from functools import cache
from typing import Any, TypeAlias, TypeVar, cast

from pydantic import TypeAdapter

Json: TypeAlias = Any
"""Any JSON value. Its shape is checked by a schema, not by the type checker."""

JsonObject: TypeAlias = dict[str, Any]

T = TypeVar("T")

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def encode(value: object) -> JsonObject:
    """Turn a domain dataclass into a JSON object; `decode` is its inverse."""
    return cast("JsonObject", _adapter(type(value)).dump_python(value, mode="json"))


def encode_text(value: object) -> bytes:
    """The JSON of a domain dataclass as UTF-8, members in their own order: cheap, and the same for equal values."""
    return _adapter(type(value)).dump_json(value)


def decode(kind: type[T], body: Json) -> T:
    """Build a domain value from what `encode` made.

    Raises:
        pydantic.ValidationError: The body does not have the shape of `kind`.
    """
    return cast("T", _adapter(kind).validate_python(body))


def canonical(value: Json) -> str:
    """One text for one JSON value: sorted keys, no white space, no escapes (in the spirit of RFC 8785)."""
    return _CANONICAL.encode(value)


def digest(value: Json) -> str:
    """SHA-256 of the canonical text, in hexadecimal."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()

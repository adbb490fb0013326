"""Names that were probably meant: a key that is one slip away from a known one must not pass in silence."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

NEAR = 0.77
"""How alike two names are, from 0 to 1, before one is taken for a slip of the other."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant, if any; letter case and hyphens do not count."""
    plain = name.lower().replace("-", "_")
    return next(iter(difflib.get_close_matches(plain, known, n=1, cutoff=NEAR)), None)


def refuse_slips(title: str, given: Mapping[Any, Any], known: Iterable[str]) -> None:
    """Refuse keys that are not known and look like one that is; other unknown keys pass.

    Raises:
        ValidationError: Each such key, at its own place.
    """
    names = tuple(known)
    strangers = [key for key in given if isinstance(key, str) and key not in names]
    slips = [(key, near) for key in strangers if (near := nearest(key, names))]
    details = [_detail(key, near, given[key]) for key, near in slips]
    if details:
        raise ValidationError.from_exception_data(title, details)


def _detail(key: str, near: str, value: object) -> InitErrorDetails:
    words = {"key": key, "near": near}
    error = PydanticCustomError("unknown_key", "unknown key {key}; did you mean {near}?", words)
    return InitErrorDetails(type=error, loc=(key,), input=value)

"""`ports.SchemaCheck` on jsonschema-rs.

No reference ever leaves the schema: the library would read `file://` and fetch `http://` by default, and schemas come
from strangers (MCP servers, OpenAPI documents).
"""

import contextlib
import json
from collections.abc import Sequence
from functools import lru_cache
from typing import NoReturn

import jsonschema_rs

from ripieno.domain.errors import Invalid, Problem
from ripieno.domain.jsons import Json, JsonObject, canonical

MOST_PROBLEMS = 20
"""A model that is told twenty things at once has enough to mend."""

MOST_REMEMBERED = 1024

MOST_DETAIL = 300
"""Characters: the library quotes the wrong value whole."""


def check(schema: JsonObject, value: Json) -> Sequence[Problem]:
    """What is wrong with a JSON value, at most `MOST_PROBLEMS` of it; empty when it is valid.

    Raises:
        Invalid: The schema itself is broken, or refers to something outside itself.
    """
    validator = _validator(schema)
    problems: list[Problem] = []
    try:
        for error in validator.iter_errors(value):
            problems.append(Problem(pointer(error.instance_path), _shortened(error.message)))
            if len(problems) == MOST_PROBLEMS:
                break
    except ValueError as error:  # dates, sets, keys that are no text, nesting without end
        return [Problem("", f"not a JSON value: {_shortened(str(error))}")]
    return problems


def _validator(schema: JsonObject) -> jsonschema_rs.Validator:
    """By identity first: the text of a large schema takes longer to write than most values to check.

    Schemas are not changed once they are used. What is remembered holds its schema, so no other can have its identity.
    """
    known = _used.get(id(schema))
    if known is not None and known[0] is schema:
        return known[1]
    try:
        text = canonical(schema)
    except (TypeError, ValueError, RecursionError):
        raise Invalid("the schema is not a JSON document") from None
    validator = _compiled(text)
    while len(_used) >= MOST_REMEMBERED:
        with contextlib.suppress(KeyError, RuntimeError, StopIteration):  # another thread was quicker
            del _used[next(iter(_used))]
    _used[id(schema)] = (schema, validator)
    return validator


_used: dict[int, tuple[JsonObject, jsonschema_rs.Validator]] = {}


@lru_cache(maxsize=4096)
def is_pattern(text: str) -> bool:
    """Whether a regular expression can be used in a schema."""
    try:
        jsonschema_rs.validator_for({"pattern": text}, retriever=_refuse)
    except (jsonschema_rs.ValidationError, ValueError):
        return False
    return True


def pointer(path: Sequence[str | int]) -> str:
    """The RFC 6901 pointer of a path of keys and indices."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


@lru_cache(maxsize=MOST_REMEMBERED)
def _compiled(text: str) -> jsonschema_rs.Validator:
    try:
        return jsonschema_rs.validator_for(json.loads(text), retriever=_refuse)
    except jsonschema_rs.ValidationError as error:
        where = pointer(error.instance_path)
        detail = _shortened(error.message)
    raise Invalid(f"the schema is broken: {detail}", [Problem(where, detail)])


def _refuse(uri: str) -> NoReturn:
    del uri
    raise ValueError("references to other documents are not followed")


def _shortened(text: str) -> str:
    return text if len(text) <= MOST_DETAIL else text[:MOST_DETAIL] + "…"

"""How values are written into a URL, a header or a form: the styles of OpenAPI (RFC 6570 and what goes beyond it).

A value is text, number, boolean, null, a list of them or an object of them. Null writes nothing; what is nested deeper
is written as JSON, because no style says how.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast
from urllib.parse import quote

from ripieno.domain.jsons import Json
from ripieno.tools.openapi.operations import Parameter

RESERVED = ":/?#[]@!$&'()*+,;="
DELIMITERS = {"form": ",", "spaceDelimited": "%20", "pipeDelimited": "%7C", "simple": ","}


def in_path(parameter: Parameter, value: Json) -> str:
    """What stands in the path in place of the parameter. A value brings no slash of its own."""
    safe = _reserved(parameter, "/?#")
    pairs, name = _pairs(value), quote(parameter.name, safe="")
    if parameter.style == "label":
        return "." + _joined(parameter, value, safe, "." if parameter.explode else ",")
    if parameter.style == "matrix":
        if parameter.explode and isinstance(value, Mapping):
            return "".join(f";{quote(key, safe='')}={quote(text, safe=safe)}" for key, text in pairs)
        if parameter.explode and isinstance(value, list):
            return "".join(f";{name}={quote(text, safe=safe)}" for _, text in pairs)
        text = _joined(parameter, value, safe, ",")
        return f";{name}={text}" if text else f";{name}"
    return _joined(parameter, value, safe, ",")


def in_query(parameter: Parameter, value: Json) -> list[str]:
    """The `name=value` parts of the query, encoded."""
    safe = _reserved(parameter, "#&+")
    return [f"{quote(name, safe='[]')}={text}" for name, text in form_parts(parameter, value, safe)]


def form_parts(parameter: Parameter, value: Json, safe: str = "") -> list[tuple[str, str]]:
    """Names, as they are, and values, encoded."""
    name = parameter.name
    if value is None or value in ([], {}):
        return []
    if parameter.style == "deepObject" and isinstance(value, Mapping):
        return [(path, quote(text, safe=safe)) for path, text in _deep(name, value)]
    pairs = _pairs(value)
    if parameter.explode and isinstance(value, Mapping):
        return [(key, quote(text, safe=safe)) for key, text in pairs]
    if parameter.explode and isinstance(value, list):
        return [(name, quote(text, safe=safe)) for _, text in pairs]
    delimiter = DELIMITERS.get(parameter.style, ",")
    return [(name, _joined(parameter, value, safe, delimiter))]


def in_header(parameter: Parameter, value: Json) -> str:
    """The header's value, as it is."""
    return _plainly_joined(parameter, value, ",")


def text_of(value: Json) -> str:
    """A single value as text: JSON's words for booleans, the text itself for text."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _reserved(parameter: Parameter, but: str) -> str:
    return "".join(letter for letter in RESERVED if letter not in but) if parameter.reserved else ""


def _joined(parameter: Parameter, value: Json, safe: str, delimiter: str) -> str:
    texts = _flat(value, explode=parameter.explode)
    return delimiter.join(
        "=".join(quote(part, safe=safe) for part in text) if isinstance(text, tuple) else quote(text, safe=safe)
        for text in texts
    )


def _plainly_joined(parameter: Parameter, value: Json, delimiter: str) -> str:
    texts = _flat(value, explode=parameter.explode)
    return delimiter.join("=".join(text) if isinstance(text, tuple) else text for text in texts)


def _flat(value: Json, *, explode: bool) -> list[str | tuple[str, str]]:
    """An exploded object as pairs, everything else as a row of texts."""
    if isinstance(value, Mapping):
        pairs = _pairs(value)
        return list(pairs) if explode else [part for pair in pairs for part in pair]
    return [text for _, text in _pairs(value)]


def _pairs(value: Json) -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        members = cast("Mapping[str, Any]", value)
        return [(key, text_of(one)) for key, one in members.items() if one is not None]
    many = cast("Sequence[Any]", value) if isinstance(value, list) else [value]
    return [("", text_of(one)) for one in many]


def _deep(name: str, value: Any) -> list[tuple[str, str]]:
    """`name[a][b]=text`, and `name[a]=` again for each item of a list."""
    if isinstance(value, Mapping):
        members = cast("Mapping[str, Any]", value)
        return [pair for key, one in members.items() for pair in _deep(f"{name}[{key}]", one)]
    if isinstance(value, list):
        return [pair for one in cast("list[Any]", value) for pair in _deep(name, one)]
    return [] if value is None else [(name, text_of(value))]

"""Parameters of an operation: their schemas as a tool's arguments, and how each is written into the request."""

import re
from dataclasses import dataclass, field
from typing import Any, cast, get_args

from ripieno.domain.jsons import Json, JsonObject
from ripieno.tools.openapi.nodes import items, members
from ripieno.tools.openapi.operations import Parameter, Place
from ripieno.tools.openapi.references import BrokenReference, followed
from ripieno.tools.openapi.schemas import Schemas

STYLES = {"path": "simple", "query": "form", "header": "simple", "cookie": "form"}

NOT_OURS = frozenset({"accept", "content-type", "authorization"})
"""Headers that OpenAPI says are described elsewhere."""

IDEMPOTENCY = frozenset({"idempotency-key", "x-idempotency-key"})

TAKEN = frozenset({"body", "content_type"})
"""Arguments that stand for the body."""

LONGEST = 64

_OTHER = re.compile(r"[^A-Za-z0-9_.-]+")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110 §5.6.2
_IN_PATH = re.compile(r"\{([^{}]+)\}")


@dataclass
class ReadParameters:
    """What was found. `names` are the definitions that the properties refer to."""

    parameters: tuple[Parameter, ...] = ()
    properties: JsonObject = field(default_factory=dict[str, Json])
    required: list[str] = field(default_factory=list[str])
    names: set[str] = field(default_factory=set[str])
    idempotency_header: str | None = None


def read_parameters(
    document: JsonObject, schemas: Schemas, path: str, item: JsonObject, own: JsonObject
) -> ReadParameters:
    """Those of the path and the operation's own, which win.

    Raises:
        BrokenReference: One cannot be read, or the path has a place that no parameter fills.
    """
    by_place: dict[tuple[str, str], JsonObject] = {}
    for given in [*items(item.get("parameters")), *items(own.get("parameters"))]:
        whole = members(followed(document, given))
        by_place[str(whole["in"]), str(whole["name"])] = whole
    found = ReadParameters()
    parameters: list[Parameter] = []
    for (place, name), whole in by_place.items():
        if place == "header" and name.lower() in IDEMPOTENCY:
            found.idempotency_header = name
        elif place in get_args(Place) and not (place == "header" and name.lower() in NOT_OURS):
            parameters.append(_one(schemas, found, cast("Place", place), whole))
    found.parameters = tuple(parameters)
    filled = {one.name for one in parameters if one.place == "path"}
    if lacking := [name for name in _IN_PATH.findall(path) if name not in filled]:
        raise BrokenReference(f"no parameter fills {{{lacking[0]}}} in the path")
    return found


def _one(schemas: Schemas, found: ReadParameters, place: Place, whole: JsonObject) -> Parameter:
    name = str(whole["name"])
    if place in {"header", "cookie"} and not _TOKEN.fullmatch(name):
        raise BrokenReference(f"{name[:100]!r} cannot be the name of a {place}")
    media_type, given = _written(whole)
    schema, names = schemas.convert(given)
    found.names |= names
    argument = _argument(name, place, found)
    description = str(whole.get("description") or "").strip()
    found.properties[argument] = {**schema, "description": description} if description else schema
    required = whole.get("required") is True or place == "path"
    if required:
        found.required.append(argument)
    style = str(whole.get("style") or STYLES[place])
    return Parameter(
        name,
        argument,
        place,
        style,
        explode=bool(whole.get("explode", style == "form")),
        required=required,
        reserved=whole.get("allowReserved") is True,
        media_type=media_type,
    )


def _argument(name: str, place: Place, found: ReadParameters) -> str:
    """What models call the parameter: providers take letters, digits, `_`, `.` and `-`, at most 64."""
    plain = _OTHER.sub("_", name).strip("_")[:LONGEST] or place
    for wish in (plain, f"{plain[: LONGEST - 7]}_{place}"):
        if wish not in found.properties and wish not in TAKEN:
            return wish
    raise BrokenReference(f"two parameters would both be the argument {plain}")


def _written(whole: JsonObject) -> tuple[str | None, Any]:
    """The media type of a parameter that has one, and its schema."""
    for media_type, media in members(whole.get("content")).items():
        return media_type, members(media).get("schema")
    return None, whole.get("schema")

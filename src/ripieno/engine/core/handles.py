"""The tools by which an agent reads what it was only told of: results that were too long, files that came with a goal.

Nobody has to give them to an agent. They are offered as soon as there is something to read.
"""

from collections.abc import Sequence

from ripieno.domain.artifacts import ArtifactRef, is_text
from ripieno.domain.effects import EffectClass
from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.tools import ToolSpec

SOURCE = "engine"
PREFIX = "artifact."

LONGEST_READ = 32_000
MOST_LINES = 1000
MOST_HITS = 50

_ID: JsonObject = {"type": "string", "minLength": 1, "maxLength": 100, "description": "The artifact's id: art_…"}


def _spec(name: str, description: str, properties: JsonObject, *required: str, **more: Json) -> ToolSpec:
    schema = {"type": "object", "properties": properties, "required": [*required], "additionalProperties": False}
    return ToolSpec(f"{PREFIX}{name}", description, schema | more, effect=EffectClass.READ, source=SOURCE)


READ = _spec(
    "read",
    "Read a part of an artifact: bytes from an offset on, or lines from a line on.",
    {
        "id": _ID,
        "offset": {"type": "integer", "minimum": 0, "description": "The first byte, from 0."},
        "length": {"type": "integer", "minimum": 1, "maximum": LONGEST_READ, "description": "How many bytes."},
        "line": {"type": "integer", "minimum": 1, "description": "The first line, from 1, in place of an offset."},
        "lines": {"type": "integer", "minimum": 1, "maximum": MOST_LINES, "description": "How many lines."},
    },
    "id",
)
SEARCH = _spec(
    "search",
    "Find a text in an artifact, letter by letter. Answers lines with their numbers and byte offsets.",
    {
        "id": _ID,
        "text": {"type": "string", "minLength": 1, "maxLength": 500},
        "ignore_case": {"type": "boolean"},
        "limit": {"type": "integer", "minimum": 1, "maximum": MOST_HITS, "description": "How many hits at most."},
        "offset": {"type": "integer", "minimum": 0, "description": "Look from this byte on."},
    },
    "id",
    "text",
)
LIST = _spec("list", "List the artifacts of this run: long results, and files that came with its goal.", {})

READING = (READ, SEARCH, LIST)


def offered(tools: tuple[ToolSpec, ...], files: Sequence[ArtifactRef]) -> tuple[ToolSpec, ...]:
    """The tools of an agent that was told of these files: with those that read, where there is something to read."""
    if READ in tools or not any(is_text(file.media_type) for file in files):
        return tools
    return (*tools, *(spec for spec in READING if spec not in tools))

"""What follows from a tool's spec: its version, and what it costs to tell a model of it."""

import math

from ripieno.domain import jsons
from ripieno.domain.tools import ToolSpec

CHARACTERS_A_TOKEN = 4


def version_of(spec: ToolSpec) -> str:
    """Another one whenever what a model is told about the tool, or its schemas, are others."""
    return jsons.digest([spec.description, spec.input_schema, spec.output_schema])[:12]


def tokens_of(spec: ToolSpec) -> int:
    """About how many tokens a model reads to know of a tool: a token for four characters of its JSON."""
    told = {"name": spec.wire_name, "description": spec.description, "parameters": spec.input_schema}
    return math.ceil(len(jsons.canonical(told)) / CHARACTERS_A_TOKEN)

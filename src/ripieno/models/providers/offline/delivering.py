"""Purpose `deliver`: put the accepted answer where it was asked for, with the tool that writes files."""

from collections.abc import Sequence

from ripieno.domain.jsons import JsonObject
from ripieno.domain.tools import ToolSpec
from ripieno.models.providers.offline import quoting
from ripieno.models.providers.offline.conversation import Conversation
from ripieno.models.providers.offline.kinds import Kind, kind_of, properties, required, schema_of


def writer(tools: Sequence[ToolSpec]) -> ToolSpec | None:
    """The tool that writes a file: the one called `files.write`, else one that takes a path and a content."""
    named = [
        tool for tool in tools if tool.name == "files.write" or tool.name.endswith((".files.write", "_files.write"))
    ]
    able = [tool for tool in tools if _parameter(tool, Kind.PATH) and _parameter(tool, Kind.CONTENT)]
    return next(iter([*named, *able]), None)


def arguments_for(tool: ToolSpec, data: JsonObject) -> JsonObject | None:
    """The writing call for `data` with `path` and `content`; None where the tool needs more than these."""
    path, content = data.get("path"), data.get("content")
    if not isinstance(path, str) or not isinstance(content, str):
        return None
    arguments = {_parameter(tool, Kind.PATH) or "path": path, _parameter(tool, Kind.CONTENT) or "content": content}
    return arguments if set(required(tool.input_schema)) <= set(arguments) else None


def outcome(talk: Conversation) -> str:
    """Say what came of the writing call; without one, why there is none."""
    path = talk.data.get("path", "the file")
    if not talk.results:
        return f"I am the offline model and could not save {path}: I have no tool that takes a path and a content."
    last = talk.results[-1]
    cite = f" [{last.evidence_id}]" if last.evidence_id else ""
    said = next(iter(quoting.essential(last.text, (), 1)), None)
    if last.is_error:
        return f"{path} was not saved: {said.text if said else 'no reason given'}{cite}"
    return f"Saved {path}{cite}."


def _parameter(tool: ToolSpec, kind: Kind) -> str | None:
    names = properties(tool.input_schema)
    return next((name for name in names if kind_of(name, schema_of(tool.input_schema, name), tool.name) is kind), None)

"""The words of MCP in ours: tools by what counts of them, results as text."""

import base64
import binascii

import mcp_types as types

from ripieno.domain.artifacts import Blob
from ripieno.domain.mcp_servers import OfferedTool
from ripieno.domain.tools import ToolResult, ToolStatus
from ripieno.tools import functions
from ripieno.tools.mcp.specs import DESTRUCTIVE, IDEMPOTENT, READ_ONLY

_LONGEST_NAME = 100  # characters of a file's name


def offered(tool: types.Tool) -> OfferedTool:
    """A server's tool by what counts of it."""
    hints = tool.annotations or types.ToolAnnotations()
    said = {READ_ONLY: hints.read_only_hint, IDEMPOTENT: hints.idempotent_hint, DESTRUCTIVE: hints.destructive_hint}
    told = {name: hint for name, hint in said.items() if hint is not None}
    return OfferedTool(tool.name, tool.description or tool.title or "", tool.input_schema, tool.output_schema, told)


def result(answer: types.CallToolResult) -> ToolResult:
    """What a server answered: text byte for byte, structured values, and files as what they are."""
    data = answer.structured_content
    parts = [_part(block) for block in answer.content]
    text = "\n".join(part for part in parts if isinstance(part, str))
    if not answer.content and data is not None:
        text = functions.text(data)
    files = tuple(part for part in parts if isinstance(part, Blob))
    return ToolResult(ToolStatus.ERROR if answer.is_error else ToolStatus.OK, text, data=data, content=files)


def _part(block: types.ContentBlock) -> str | Blob:
    match block:
        case types.TextContent():
            return block.text
        case types.ImageContent() | types.AudioContent():
            return _file(block.data, block.mime_type, block.type)
        case types.ResourceLink():
            return f"[resource {block.name}: {block.uri}]"
        case types.EmbeddedResource(resource=resource):
            return _embedded(resource)


def _embedded(resource: types.TextResourceContents | types.BlobResourceContents) -> str | Blob:
    if isinstance(resource, types.TextResourceContents):
        return resource.text
    name = resource.uri.rstrip("/").rpartition("/")[2][:_LONGEST_NAME]
    return _file(resource.blob, resource.mime_type or "application/octet-stream", name)


def _file(encoded: str, media_type: str, name: str) -> str | Blob:
    try:
        return Blob(base64.b64decode(encoded, validate=True), media_type, name)
    except (binascii.Error, ValueError):
        return f"[{name}, {media_type}: {len(encoded)} characters that are no base64]"

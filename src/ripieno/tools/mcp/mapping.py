"""The words of MCP in ours: tools by what counts of them, results as text."""

import base64
import binascii

import mcp_types as types

from ripieno.domain.mcp_servers import OfferedTool
from ripieno.domain.tools import ToolResult, ToolStatus
from ripieno.tools import functions
from ripieno.tools.mcp.specs import DESTRUCTIVE, IDEMPOTENT, READ_ONLY


def offered(tool: types.Tool) -> OfferedTool:
    """A server's tool by what counts of it."""
    hints = tool.annotations or types.ToolAnnotations()
    said = {READ_ONLY: hints.read_only_hint, IDEMPOTENT: hints.idempotent_hint, DESTRUCTIVE: hints.destructive_hint}
    told = {name: hint for name, hint in said.items() if hint is not None}
    return OfferedTool(tool.name, tool.description or tool.title or "", tool.input_schema, tool.output_schema, told)


def result(answer: types.CallToolResult) -> ToolResult:
    """What a server answered. Text is passed on byte for byte; what is no text is described."""
    data = answer.structured_content
    text = "\n".join(_text(block) for block in answer.content)
    if not answer.content and data is not None:
        text = functions.text(data)
    return ToolResult(ToolStatus.ERROR if answer.is_error else ToolStatus.OK, text, data=data)


def _text(block: types.ContentBlock) -> str:
    match block:
        case types.TextContent():
            return block.text
        case types.ImageContent() | types.AudioContent():
            return f"[{block.type} {block.mime_type}, {_size(block.data)} bytes, not shown]"
        case types.ResourceLink():
            return f"[resource {block.name}: {block.uri}]"
        case types.EmbeddedResource(resource=types.TextResourceContents() as resource):
            return resource.text
        case types.EmbeddedResource(resource=resource):
            kind = resource.mime_type or "unknown type"
            size = _size(resource.blob) if isinstance(resource, types.BlobResourceContents) else 0
            return f"[resource {resource.uri}, {kind}, {size} bytes, not shown]"


def _size(encoded: str) -> int:
    try:
        return len(base64.b64decode(encoded))
    except binascii.Error:
        return len(encoded)

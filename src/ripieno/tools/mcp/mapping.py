"""The words of MCP in ours: tools become specs, results become text."""

import base64
import binascii
from fnmatch import fnmatchcase

import mcp_types as types

from ripieno.domain.effects import EffectClass
from ripieno.domain.tools import Risk, ToolResult, ToolSpec, ToolStatus
from ripieno.tools import functions
from ripieno.tools.mcp.config import ServerConfig


def spec(config: ServerConfig, tool: types.Tool) -> ToolSpec:
    """A server's tool as agents, people and the gate see it: `server.tool`."""
    effect = _effect(config, tool)
    return ToolSpec(
        f"{config.name}.{tool.name}",
        tool.description or tool.title or "",
        tool.input_schema,
        output_schema=tool.output_schema,
        effect=effect,
        risk=config.risks.get(tool.name, Risk.LOW if effect is EffectClass.READ else Risk.MEDIUM),
        source=f"mcp:{config.name}",
        timeout=config.timeout,
        compensate=config.compensate[tool.name].call(config.name) if tool.name in config.compensate else None,
        reconcile=config.reconcile[tool.name].asks(config.name) if tool.name in config.reconcile else None,
    )


def is_allowed(config: ServerConfig, tool: types.Tool) -> bool:
    """Whether the configuration lets agents see the tool."""
    return config.allow is None or any(fnmatchcase(tool.name, pattern) for pattern in config.allow)


def result(answer: types.CallToolResult) -> ToolResult:
    """What a server answered. Text is passed on byte for byte; what is no text is described."""
    data = answer.structured_content
    text = "\n".join(_text(block) for block in answer.content)
    if not answer.content and data is not None:
        text = functions.text(data)
    return ToolResult(ToolStatus.ERROR if answer.is_error else ToolStatus.OK, text, data=data)


def _effect(config: ServerConfig, tool: types.Tool) -> EffectClass:
    """What a server says of itself counts only where an administrator trusts it."""
    if tool.name in config.effects:
        return config.effects[tool.name]
    if config.trust and tool.annotations is not None:
        if tool.annotations.read_only_hint:
            return EffectClass.READ
        if tool.annotations.idempotent_hint:
            return EffectClass.IDEMPOTENT
    return EffectClass.IRREVERSIBLE


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

"""A server's tools as agents, people and the gate see them."""

from fnmatch import fnmatchcase

from ripieno.domain.effects import EffectClass
from ripieno.domain.mcp_servers import OfferedTool
from ripieno.domain.tools import Risk, ToolSpec
from ripieno.tools.mcp.config import ServerConfig

READ_ONLY, IDEMPOTENT, DESTRUCTIVE = "read_only", "idempotent", "destructive"
"""Names of hints."""


def spec(config: ServerConfig, tool: OfferedTool) -> ToolSpec:
    """A server's tool as `server.tool`."""
    effect = _effect(config, tool)
    return ToolSpec(
        f"{config.name}.{tool.name}",
        tool.description,
        tool.input_schema,
        output_schema=tool.output_schema,
        effect=effect,
        risk=config.risks.get(tool.name, Risk.LOW if effect is EffectClass.READ else Risk.MEDIUM),
        source=f"mcp:{config.name}",
        timeout=config.most_seconds,
        compensate=config.compensate[tool.name].call(config.name) if tool.name in config.compensate else None,
        reconcile=config.reconcile[tool.name].asks(config.name) if tool.name in config.reconcile else None,
    )


def is_allowed(config: ServerConfig, name: str) -> bool:
    """Whether the configuration lets agents see a tool."""
    return config.allow is None or any(fnmatchcase(name, pattern) for pattern in config.allow)


def _effect(config: ServerConfig, tool: OfferedTool) -> EffectClass:
    """What a server says of itself counts only where an administrator trusts it."""
    if tool.name in config.effects:
        return config.effects[tool.name]
    if config.trust and tool.hints.get(READ_ONLY):
        return EffectClass.READ
    if config.trust and tool.hints.get(IDEMPOTENT):
        return EffectClass.IDEMPOTENT
    return EffectClass.IRREVERSIBLE

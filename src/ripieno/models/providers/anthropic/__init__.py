"""Anthropic, and every server that speaks its Messages API: `AnthropicModel`."""

from ripieno.models.providers.anthropic.model import AnthropicModel

__all__ = ["AnthropicModel"]

"""OpenAI, and every server that speaks its chat completions: `OpenAIModel`."""

from ripieno.models.providers.openai.model import OpenAIModel

__all__ = ["OpenAIModel"]

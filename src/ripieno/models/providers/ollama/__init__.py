"""Models on a machine of one's own, by Ollama: `OllamaModel`."""

from ripieno.models.providers.ollama.model import OllamaModel

__all__ = ["OllamaModel"]

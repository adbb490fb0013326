"""A server that speaks chat completions as Ollama does: in its own way of counting, thinking and refusing.

It refuses a model that was not pulled. As a program: `python -m tests.wire.ollama_server --port 0`; see `provider`.
"""

import json
from typing import Any

from tests.wire.openai_server import OpenAIServer
from tests.wire.provider import main
from tests.wire.script import Seen, Step

PULLED = frozenset({"llama3.2", "qwen3"})


class OllamaServer(OpenAIServer):
    """A fake Ollama server."""

    base = ""

    def refusal(self, seen: Seen) -> tuple[int, Any] | None:
        """A model that is not there, and what a server of this wire refuses."""
        if seen.path == "/v1/chat/completions" and (model := seen.body["model"]) not in PULLED:
            return 404, self.failure(404, f'model "{model}" not found, try pulling it first', None)
        return super().refusal(seen)

    def events(self, step: Step, seen: Seen) -> list[bytes]:
        """A thought before the answer, which no client may show as the answer, and whole calls in one piece."""
        pieces = super().events(step, seen)
        if step.fault or step.raw:
            return pieces
        thought = {"index": 0, "delta": {"role": "assistant", "content": "", "reasoning": "Hm."}, "finish_reason": None}
        chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": seen.body["model"]}
        return [f"data: {json.dumps({**chunk, 'choices': [thought]})}\n\n".encode(), *pieces]


if __name__ == "__main__":
    main(OllamaServer)

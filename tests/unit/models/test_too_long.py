"""How providers say that a conversation is longer than their model takes."""

import pytest

from ripieno.models.wire.failures import about_length


@pytest.mark.parametrize(
    "said",
    [
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "Input is too long for requested model.",
        "the request exceeds the available context size, try increasing it",
        "input length and `max_tokens` exceed context limit: 199000 + 8192 > 200000",
    ],
)
def test_these_are_about_length(said: str):
    assert about_length(said)


@pytest.mark.parametrize(
    "said", ["model not found", "messages.3: tool_use without tool_result", "max_tokens is too low"]
)
def test_these_are_not(said: str):
    assert not about_length(said)

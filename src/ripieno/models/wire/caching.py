"""When it pays to have a provider keep the beginning of a conversation."""

import json

from ripieno.domain.messages import ModelRequest

LEAST = 4_000
"""Characters, about a thousand tokens: providers keep nothing shorter."""


def pays(request: ModelRequest) -> bool:
    """Whether the conversation is long enough to be kept, and likely to be sent again with more at its end.

    That is so while an agent has tools to call; a plan, a review or a last answer is asked for once, and what is
    written into a cache costs a quarter more.
    """
    if not request.tools:
        return False
    if sum(len(message.text) for message in request.messages) >= LEAST:
        return True
    return sum(len(tool.description) + len(json.dumps(tool.input_schema)) for tool in request.tools) >= LEAST

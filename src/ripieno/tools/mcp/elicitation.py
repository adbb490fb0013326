"""What servers ask people in the middle of a call: as our questions, and people's answers as theirs."""

from collections.abc import Mapping
from typing import Any, cast

import mcp_types as types

from ripieno.domain.inputs import ACCEPT, InputQuestion
from ripieno.domain.jsons import JsonObject

LONGEST_MESSAGE = 4000

CANCEL = types.ElicitResult(action="cancel")
"""Nobody has answered yet."""


def question(params: types.ElicitRequestParams) -> InputQuestion:
    """A server's question."""
    message = params.message[:LONGEST_MESSAGE]
    if isinstance(params, types.ElicitRequestURLParams):
        return InputQuestion(message, url=params.url[:LONGEST_MESSAGE])
    return InputQuestion(message, dict(params.requested_schema))


def answer(asked: InputQuestion, answers: Mapping[str, Any]) -> types.ElicitResult | None:
    """What a person said to a question; None while nobody was asked."""
    said: JsonObject | None = answers.get(asked.digest)
    if said is None:
        return None
    if said["action"] != ACCEPT:
        return types.ElicitResult(action="decline")
    content = said.get("content")
    filled = cast("dict[str, Any]", content) if asked.schema is not None and isinstance(content, dict) else None
    return types.ElicitResult(action="accept", content=filled)

"""Reads JSON bodies strictly: what could not be written again as JSON is not taken."""

import json
import math
import re
from typing import Any, cast

from fastapi import Request
from pydantic_core import from_json

MAY_OVERFLOW = re.compile(rb"[0-9][eE]\+?[0-9]{3}|[0-9]{300}")


class StrictRequest(Request):
    """A request whose JSON has no NaN, no infinities, no lone surrogates, and no nesting without end."""

    async def json(self) -> Any:
        """The body.

        Raises:
            json.JSONDecodeError: It is not such JSON.
        """
        body = await self.body()
        try:
            value = from_json(body, allow_inf_nan=False)
        except ValueError as error:
            raise json.JSONDecodeError(str(error), "", 0) from None
        if MAY_OVERFLOW.search(body) and not _is_finite(value):
            raise json.JSONDecodeError("a number is too large", "", 0)
        return value


def _is_finite(value: Any) -> bool:
    match value:
        case float():
            return math.isfinite(value)
        case list():
            return all(_is_finite(item) for item in cast("list[Any]", value))
        case dict():
            return all(_is_finite(item) for item in cast("dict[str, Any]", value).values())
        case _:
            return True

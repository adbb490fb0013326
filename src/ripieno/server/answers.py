"""How routes answer: JSON made in one pass, pages with cursors, waiting for a run."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from ripieno.domain.errors import Invalid, Problem
from ripieno.server.errors import MEDIA_TYPE

CURSOR = re.compile(r"[a-z]{3}_[0-9a-f]{32}")

Wait = Annotated[
    float | None,
    Query(ge=0, le=600, description="Answer when the run ends or waits for a person, after this many seconds at most."),
]

T = TypeVar("T")


class PageQuery(BaseModel):
    """Which page of a list."""

    limit: int = Field(default=50, ge=1, le=200, description="How many at most.")
    cursor: str | None = Field(default=None, description="`next_cursor` of the page before.")

    @field_validator("cursor")
    @classmethod
    def _one_of_ours(cls, value: str | None) -> str | None:
        if value is not None and not CURSOR.fullmatch(value):
            msg = "not one of ours; give next_cursor back"
            raise ValueError(msg)
        return value


class NameQuery(BaseModel):
    """Which page of a list by name."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(default=1000, ge=1, le=1000, description="How many at most.")
    cursor: str | None = Field(default=None, max_length=200, description="`next_cursor` of the page before.")

    def page(self, found: Sequence[T], names: Sequence[str]) -> tuple[Sequence[T], str | None]:
        """The page, and the cursor of the next one: the last name of this one."""
        begin = 0
        if self.cursor is not None:
            if self.cursor not in names:
                raise Invalid(
                    "the cursor is not one of this list", [Problem("/cursor", "query parameter: is of no page")]
                )
            begin = names.index(self.cursor) + 1
        end = begin + self.limit
        return found[begin:end], names[end - 1] if end < len(found) else None


class ProblemView(BaseModel):
    """What went wrong (RFC 9457). `code` is stable; `trace_id` is in the server's log."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    errors: list[dict[str, str]] = Field(description="`{pointer, detail}`: where in the body, and what.")
    trace_id: str


PROBLEMS: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "A problem",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemView"}}},
    }
}
"""What every operation may answer."""


def json(value: BaseModel, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer, without the detour over Python objects."""
    return Response(to_json(value), status, headers, "application/json")


def cut(found: Sequence[T], limit: int) -> tuple[Sequence[T], bool]:
    """One page of what was found with a limit of one more, and whether there is another."""
    return found[:limit], len(found) > limit


def next_link(request: Request, **changes: str | int | None) -> dict[str, str]:
    """The header that leads to the next page; none when a change is None."""
    if any(value is None for value in changes.values()):
        return {}
    query = urlencode({**request.query_params, **changes})
    return {"link": f'<{request.url.path}?{query}>; rel="next"'}

"""Imported APIs as the API takes and shows them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import Field

from ripieno.domain.apis import KeptApi
from ripieno.domain.errors import Problem
from ripieno.domain.jsons import JsonObject
from ripieno.server.shapes.runs import Shape
from ripieno.tools.openapi.config import ApiConfig
from ripieno.tools.openapi.imports import Imported, Order

NAME = r"^[A-Za-z0-9_-]+$"


class ApiChange(ApiConfig):
    """What is said about an API; what is left out stays as it is."""

    def said(self, *but: str) -> JsonObject:
        """What the request says."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude=set(but))


class ImportRequest(ApiChange):
    """An API: one of `url`, `file` (in the config folder) and `document` (an object, or JSON or YAML as text).

    Without a `name` its title is one. An API of that name is imported anew: what is left out here stays as it is.
    """

    name: str = Field(default="", max_length=32, pattern=r"^[A-Za-z0-9_-]*$")
    url: str = Field(default="", max_length=2000)
    file: str = Field(default="", max_length=500)
    document: JsonObject | str | None = None
    dry_run: bool = False

    def order(self) -> Order:
        """The same for those who import."""
        config = self.said("name", "url", "file", "document", "dry_run")
        return Order(self.url, self.file, self.document, self.name, config, self.dry_run)


class ToolsetRequest(ApiChange):
    """A toolset of an API: `openapi` is its description, `openapi_ref` the URL or the file of it.

    `rate_limit` is how many calls may begin in a minute, of all its tools together.
    """

    name: str = Field(min_length=1, max_length=32, pattern=NAME)
    openapi: JsonObject | str | None = None
    openapi_ref: str = Field(default="", max_length=2000)
    rate_limit: int | None = Field(default=None, ge=1, le=1_000_000)

    def order(self) -> Order:
        """The same for those who import."""
        config = self.said("name", "openapi", "openapi_ref", "rate_limit")
        is_url = self.openapi_ref.startswith(("http://", "https://"))
        url, file = (self.openapi_ref, "") if is_url else ("", self.openapi_ref)
        return Order(url, file, self.openapi, self.name, config)


class ImportProblemView(Shape):
    """An operation that could not be taken over, and why."""

    where: str
    reason: str


def _shown(problems: Sequence[Problem]) -> list[ImportProblemView]:
    return [ImportProblemView(where=one.pointer, reason=one.detail) for one in problems]


class ImportAnswer(Shape):
    """What an import did, or with `dry_run` would do, by names of tools. `base_url` is where the API is called."""

    toolset: str
    base_url: str
    added: list[str]
    changed: list[str]
    removed: list[str]
    problems: list[ImportProblemView]
    dry_run: bool = False

    @classmethod
    def of(cls, imported: Imported, *, dry_run: bool = False) -> "ImportAnswer":
        """Show it."""
        found = imported.difference
        return cls(
            toolset=imported.toolset,
            base_url=imported.home,
            added=list(found.added),
            changed=list(found.changed),
            removed=list(found.removed),
            problems=_shown(imported.problems),
            dry_run=dry_run,
        )


class ToolsetView(Shape):
    """An imported API: what was said about it (secrets by reference), its tools, what could not be taken over."""

    name: str
    source: str
    config: dict[str, Any]
    tools: list[str]
    problems: list[ImportProblemView]
    created_by: str
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, kept: KeptApi, tools: Sequence[str], problems: Sequence[Problem]) -> "ToolsetView":
        """Show it."""
        return cls(
            name=kept.mark.name,
            source=kept.source,
            config=kept.config,
            tools=list(tools),
            problems=_shown(problems),
            created_by=kept.created_by,
            created_at=kept.created_at,
            updated_at=kept.updated_at,
        )

"""From a kept document to a toolset."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import httpx2

from ripieno.domain.errors import Invalid, Problem
from ripieno.domain.jsons import JsonObject
from ripieno.tools.openapi.addresses import Place, place_of
from ripieno.tools.openapi.config import ApiConfig
from ripieno.tools.openapi.documents import MOST_BYTES
from ripieno.tools.openapi.reading import read
from ripieno.tools.openapi.toolset import Means, OpenApiToolset


@dataclass(frozen=True, slots=True)
class Made:
    """A toolset, what each of its tools is (for comparison), and what could not be taken over."""

    toolset: OpenApiToolset
    tools: Mapping[str, object]
    problems: Sequence[Problem]
    home: str


class Maker:
    """Makes toolsets. `client` gives the guarded client for the origins that a place opened."""

    def __init__(self, client: Callable[[Place], httpx2.AsyncClient], means: Means) -> None:
        self._client = client
        self._means = means

    def make(self, name: str, source: str, document: JsonObject, config: ApiConfig) -> Made:
        """The toolset; nothing is sent. Raises `Invalid`."""
        api = read(document, name)
        place = place_of(api, config, source)
        toolset = OpenApiToolset(name, api, place, self._client(place), self._means)
        problems = [Problem(one.where, one.reason) for one in (*api.problems, *toolset.problems)]
        return Made(toolset, toolset.targets, problems, place.home)


def written(document: JsonObject) -> str:
    """The document as it is kept. Raises `Invalid` where aliases make it too long."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    if len(text) > MOST_BYTES:
        raise Invalid(f"the document has more than {MOST_BYTES:,} characters once its aliases are written out")
    return text

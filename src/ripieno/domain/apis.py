"""APIs that were imported: their documents and what an administrator says about them, as they are kept."""

from dataclasses import dataclass
from datetime import datetime

from ripieno.domain.jsons import JsonObject


@dataclass(frozen=True, slots=True)
class ApiMark:
    """Which version of an API is kept: `version` is another whenever anything about it is."""

    tenant: str
    name: str
    version: str


@dataclass(frozen=True, slots=True)
class NewApi:
    """An API to keep. `source` is the URL of its document, or empty; `document` is its JSON text."""

    name: str
    source: str
    document: str
    config: JsonObject


@dataclass(frozen=True, slots=True)
class KeptApi:
    """An API as it is kept."""

    mark: ApiMark
    source: str
    document: str
    config: JsonObject
    created_by: str
    created_at: datetime
    updated_at: datetime

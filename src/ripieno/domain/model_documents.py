"""What administrators say about models while the platform runs: providers, routes, and what is known of a model."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ripieno.domain.jsons import JsonObject, canonical


class DocumentKind(StrEnum):
    """What a document is about. Of versions of a routing only those in force are kept at hand."""

    PROVIDER = "provider"
    MODEL = "model"
    ROUTING = "routing"
    ROUTING_VERSION = "routing_version"


@dataclass(frozen=True, slots=True)
class ModelDocument:
    """One document of a tenant as it is kept. `revision` counts how often it was written."""

    tenant: str
    kind: DocumentKind
    name: str
    revision: int
    body: JsonObject
    created_by: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class DocumentMark:
    """A document and how it stands: another mark whenever anything else of it is."""

    tenant: str
    kind: DocumentKind
    name: str
    revision: int
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class DocumentChange:
    """Write a document, or without a body remove it; `revision` is what it must be at, 0 where there must be none."""

    kind: DocumentKind
    name: str
    body: JsonObject | None
    revision: int


@dataclass(frozen=True, slots=True)
class Deed:
    """What the audit says of a change: VERB_NOUN, and of what."""

    action: str
    target: str


def is_made(change: DocumentChange, revision: int, body: JsonObject | None) -> bool:
    """Whether a change is made already: it may be done twice, when the answer to the first time was lost."""
    if change.body is None:
        return change.revision > 0 and revision == 0
    return revision == change.revision + 1 and canonical(body) == canonical(change.body)

"""Artifacts: files that people upload and tools bring, kept beside the journal, which holds their ids alone."""

from dataclasses import dataclass
from datetime import datetime, timedelta

LARGEST = 32_000_000
"""How many bytes an artifact may have, where nothing else is said."""

YOUNG = timedelta(hours=24)
"""For so long after they were last written bytes are kept, even if nothing refers to them."""


@dataclass(frozen=True, slots=True)
class NewArtifact:
    """A file to keep. What a run brings has the id that belongs to its place there, so a second try keeps it once.

    Without an `id` it gets a new one.
    """

    tenant: str
    name: str
    media_type: str
    created_by: str
    run_id: str | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file as it is kept. `sha256` is that of its bytes, in hexadecimal."""

    id: str
    tenant: str
    name: str
    media_type: str
    size: int
    sha256: str
    created_at: datetime
    created_by: str
    run_id: str | None = None

    @property
    def ref(self) -> "ArtifactRef":
        """What entries hold of it."""
        return ArtifactRef(self.id, self.name, self.media_type, self.size)


@dataclass(frozen=True, slots=True)
class ArtifactRef:
    """An artifact as results and messages name it. `size` is in bytes."""

    id: str
    name: str
    media_type: str
    size: int


def is_text(media_type: str) -> bool:
    """Whether something of this kind can be read as text."""
    return media_type.startswith("text/") or media_type.endswith(("json", "xml", "yaml", "csv", "javascript"))


def told(ref: ArtifactRef) -> str:
    """An artifact in the words that a model reads."""
    about = f"artifact {ref.id}: {ref.name}, {ref.media_type}, {ref.size:,} bytes"
    if not is_text(ref.media_type):
        return f"[{about}]"
    return f"[{about}; read it with artifact.read {{id, offset, length}}, search it with artifact.search {{id, text}}]"


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes that a tool brought and that are not kept yet."""

    data: bytes
    media_type: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class ArtifactFilter:
    """Which artifacts: all, or those of one run."""

    run_id: str | None = None

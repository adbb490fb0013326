"""Settings of artifacts."""

from pathlib import Path

from pydantic import Field

from ripieno.domain.artifacts import LARGEST
from ripieno.settings.section import Section


class ArtifactSettings(Section):
    """Files that people upload and tools bring. Each may have `max_bytes`.

    Their bytes are files in `directory`. Unset, that is `artifacts` in the data folder, or, where processes share a
    database, no folder: then they are rows of the database. A `directory` of theirs must be one that all of them share.
    """

    directory: Path | None = None
    max_bytes: int = Field(default=LARGEST, ge=1024)

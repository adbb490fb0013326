"""Artifacts as the API shows them, and what it makes of the names that files come with."""

import re
from datetime import datetime
from urllib.parse import quote

from ripieno.domain.artifacts import Artifact
from ripieno.server.shapes.runs import Shape

UNKNOWN = "application/octet-stream"

_MEDIA_TYPE = re.compile(r"[\w.+-]{1,100}/[\w.+-]{1,100}", re.ASCII)
_UNSHOWABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_LONGEST_NAME = 200


class ArtifactView(Shape):
    """A file that is kept; its bytes are at `content`. `run_id` is the run that brought it."""

    id: str
    artifact_id: str
    name: str
    media_type: str
    size: int
    sha256: str
    run_id: str | None
    created_by: str
    created_at: datetime
    content: str

    @classmethod
    def of(cls, artifact: Artifact) -> "ArtifactView":
        """Show it."""
        own = {name: getattr(artifact, name) for name in cls.model_fields if hasattr(artifact, name)}
        content = f"/v1/artifacts/{artifact.id}/content"
        return cls.model_construct(**own, artifact_id=artifact.id, content=content)


class ArtifactPage(Shape):
    """Some of them, newest first."""

    data: list[ArtifactView]
    next_cursor: str | None = None


def file_name(given: str) -> str:
    """A name to show: the last part of a path, without what cannot be seen."""
    last = re.split(r"[/\\]", given)[-1]
    name = _UNSHOWABLE.sub("", last).strip(" .")[:_LONGEST_NAME]
    return name or "file"


def media_type(given: str | None) -> str:
    """A media type without its parameters; what is none is bytes of an unknown kind."""
    bare = (given or "").partition(";")[0].strip().lower()
    return bare if _MEDIA_TYPE.fullmatch(bare) else UNKNOWN


def disposition(name: str) -> str:
    """The header by which a browser saves a file and never shows it (RFC 6266)."""
    plain = re.sub(r'[^\x20-\x7e]|["\\%]', "_", name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"

"""Names of tools that come from operations: readable, short enough for providers, the same at every import."""

import hashlib
import re

LONGEST = 62
"""Characters of a whole wire name without the two underscores between toolset and tool."""

_OTHER = re.compile(r"[^A-Za-z0-9_-]+")


def named(operation_id: str, method: str, path: str, room: int) -> str:
    """The name of an operation in at most `room` characters."""
    wish = _plain(operation_id) or _plain(f"{method} {path}")
    return wish if len(wish) <= room else told_apart(wish, method, path, room)


def told_apart(name: str, method: str, path: str, room: int) -> str:
    """The name with a mark that belongs to this method and path alone."""
    mark = hashlib.sha256(f"{method} {path}".encode()).hexdigest()[:6]
    return f"{name[: room - 7].rstrip('_-')}_{mark}"


def room_beside(toolset: str) -> int:
    """How many characters a tool of this toolset may have."""
    return LONGEST - len(toolset)


def _plain(text: str) -> str:
    return _OTHER.sub("_", text).strip("_")

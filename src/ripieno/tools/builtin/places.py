"""Folders and files outside the workspace that tools look at but never change."""

from pathlib import Path

from ripieno.tools.failures import ToolFailed


def existing(path: str) -> Path:
    """The absolute path of something that exists; relative ones begin at the server's working directory.

    Raises:
        ToolFailed: It does not exist.
    """
    try:
        return Path(path).expanduser().resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        raise ToolFailed(f"There is no {path!r} here.") from None

"""Files on their way into a sandbox and out of it. What comes out was written by code that nobody trusts."""

import json
import os
from collections.abc import Mapping
from typing import Any, cast

from ripieno.tools.builtin import folders
from ripieno.tools.failures import ToolFailed

MOST_FILES = 200
_MOST_HEAD = 1 << 20


def packed(files: Mapping[str, bytes]) -> bytes:
    """The packet that `inside.py` unpacks.

    Raises:
        ToolFailed: A path is not a relative one.
    """
    checked = {"/".join(folders.parts(path)): content for path, content in files.items()}
    head = json.dumps([[path, len(content)] for path, content in checked.items()])
    return b"".join((head.encode(), b"\n", *checked.values()))


def memory_file(content: bytes = b"") -> int:
    """A descriptor of a file without a name, at its beginning. The caller closes it."""
    made = os.memfd_create("packet", os.MFD_CLOEXEC)
    with os.fdopen(os.dup(made), "wb") as file:
        file.write(content)
    os.lseek(made, 0, os.SEEK_SET)
    return made


def taken(answer: int, most_bytes: int) -> tuple[int | None, dict[str, bytes], dict[str, str]]:
    """Exit code, files, and what is left out and why, of the answer in a file.

    What breaks its rules is left out, and an answer that is none has nothing in it.
    """
    os.lseek(answer, 0, os.SEEK_SET)
    with os.fdopen(os.dup(answer), "rb") as file:
        line = file.readline(_MOST_HEAD)
        try:
            head = cast("dict[str, Any]", json.loads(line))
            code = int(head["code"])
            listed = [(str(path), int(size)) for path, size in head["files"]][:MOST_FILES]
            left_out = {str(path): str(reason)[:200] for path, reason in list(head["left_out"].items())[:MOST_FILES]}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None, {}, {}
        files: dict[str, bytes] = {}
        room = most_bytes
        for path, size in listed:
            if not 0 <= size <= room:
                left_out[path] = "it is too large"
                break
            content = file.read(size)
            room -= len(content)
            _take(path, content, files, left_out)
    return code, files, left_out


def _take(path: str, content: bytes, files: dict[str, bytes], left_out: dict[str, str]) -> None:
    try:
        files["/".join(folders.parts(path))] = content
    except ToolFailed:
        left_out[ascii(path)[:200]] = "its name is not one that is taken"

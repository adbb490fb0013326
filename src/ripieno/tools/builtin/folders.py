"""Reads and writes files below one folder and nowhere else.

Every step of a path is opened from the folder above it without following links (openat with O_NOFOLLOW), so that
neither `..` nor a link, not even one that is put there meanwhile, leads out.
"""

import contextlib
import os
import secrets
import stat
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ripieno.tools.failures import ToolFailed

MOST_READ = 400_000
MOST_WRITTEN = 4_000_000
MOST_LISTED = 500
_MOST_CHARACTERS = 400
_MOST_DEPTH = 12
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Found:
    """One line of a listing. `kind` is `file`, `folder`, or `other` for links, sockets and devices."""

    path: str
    kind: str
    size: int


def read(root: Path, path: str, most: int | None = None) -> tuple[bytes, int]:
    """The first bytes of a file below the folder, by default `MOST_READ`, and how many it has in all.

    Raises:
        ToolFailed: The path leads out, or there is no such file.
    """
    *above, name = parts(path)
    with _opened(root, above) as folder, _handled(path):
        handle = os.open(name, _FILE, dir_fd=folder)
        with os.fdopen(handle, "rb") as file:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise ToolFailed(f"{path} is not a file.")
            return file.read(MOST_READ if most is None else most), found.st_size


def write(root: Path, path: str, content: bytes) -> bool:
    """Put a file below the folder, whole or not at all. False when it had this content already.

    What is made, files and folders, is for this user alone.

    Raises:
        ToolFailed: The path leads out, or a folder or link is in its place, or the disk refuses.
    """
    *above, name = parts(path)
    if len(content) > MOST_WRITTEN:
        raise ToolFailed(f"The content is larger than {MOST_WRITTEN:,} bytes.")
    if ".git" in (part.lower() for part in (*above, name)):
        raise ToolFailed("Nothing is written into .git: what stands there can run programs.")
    for place in (root.parent, root):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _opened(root, above, create=True) as folder, _handled(path):
        if _has(folder, name, content, path):
            return False
        _replace(folder, name, content)
    return True


def listing(root: Path, path: str = "") -> Sequence[Found]:
    """Everything below a folder, at most `MOST_LISTED`, by path. A folder that does not exist yet is empty.

    Raises:
        ToolFailed: The path leads out, or there is no such folder.
    """
    above = parts(path) if path.strip("./") else []
    if not above and not root.exists():
        return []
    with _opened(root, above) as folder:
        found: list[Found] = []
        for item in _walk(folder, PurePosixPath(*above)):
            found.append(item)
            if len(found) == MOST_LISTED:
                break
    return sorted(found, key=lambda item: item.path)


def parts(path: str) -> list[str]:
    """The steps of a relative path.

    Raises:
        ToolFailed: It is absolute, leads up, or is no path.
    """
    text = path.strip()
    if not text or len(text) > _MOST_CHARACTERS or "\\" in text or not text.isprintable():
        raise ToolFailed("That is not a path.", "Give a relative path such as notes/report.md.")
    steps = [step for step in text.split("/") if step not in {"", "."}]
    if text.startswith(("/", "~")) or ".." in steps or not steps:
        raise ToolFailed(
            f"{path} is outside the workspace.", "Give a path relative to the workspace, such as report.md."
        )
    if len(steps) > _MOST_DEPTH:
        raise ToolFailed(f"{path} is more than {_MOST_DEPTH} folders deep.")
    return steps


@contextlib.contextmanager
def _opened(root: Path, above: Sequence[str], *, create: bool = False) -> Generator[int]:
    """The folder that holds a file, as a descriptor."""
    shown = "/".join(above) or "the workspace"
    with contextlib.ExitStack() as stack, _handled(shown):
        folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        stack.callback(os.close, folder)
        for step in above:
            if create:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(step, 0o700, dir_fd=folder)
            folder = os.open(step, _FOLDER, dir_fd=folder)
            stack.callback(os.close, folder)
        yield folder


@contextlib.contextmanager
def _handled(path: str) -> Generator[None]:
    """Say what is wrong without the machine's own paths."""
    try:
        yield
    except FileNotFoundError:
        raise ToolFailed(f"There is no {path} in the workspace.", "files.list shows what there is.") from None
    except (NotADirectoryError, IsADirectoryError):
        raise ToolFailed(f"{path} goes through a file or a link, or is a folder.") from None
    except OSError as error:
        if error.strerror and "symbolic" in error.strerror:
            raise ToolFailed(f"{path} is a link; links are not followed.") from None
        raise ToolFailed(f"{path} cannot be used: {(error.strerror or 'input error').lower()}.") from None


def _has(folder: int, name: str, content: bytes, path: str) -> bool:
    """Whether the file is there with this very content."""
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(found.st_mode):
        raise ToolFailed(f"{path} is a folder or a link, and is not replaced.")
    if found.st_size != len(content):
        return False
    with os.fdopen(os.open(name, _FILE, dir_fd=folder), "rb") as file:
        return file.read() == content


def _replace(folder: int, name: str, content: bytes) -> None:
    part = f".{secrets.token_hex(8)}.part"
    try:
        with os.fdopen(os.open(part, _NEW, 0o600, dir_fd=folder), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, name, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)
    except OSError:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part, dir_fd=folder)
        raise


def _walk(folder: int, place: PurePosixPath, depth: int = 0) -> Iterator[Found]:
    with os.scandir(folder) as entries:
        items = sorted(entries, key=lambda item: item.name)
    for item in items:
        path = str(place / item.name)
        try:
            if item.is_dir(follow_symlinks=False):
                yield Found(path, "folder", 0)
                if depth < _MOST_DEPTH:
                    yield from _below(folder, item.name, place / item.name, depth)
            elif item.is_file(follow_symlinks=False):
                yield Found(path, "file", item.stat(follow_symlinks=False).st_size)
            else:
                yield Found(path, "other", 0)
        except OSError:  # gone meanwhile
            continue


def _below(folder: int, name: str, place: PurePosixPath, depth: int) -> Iterator[Found]:
    inner = os.open(name, _FOLDER, dir_fd=folder)
    try:
        yield from _walk(inner, place, depth + 1)
    finally:
        os.close(inner)

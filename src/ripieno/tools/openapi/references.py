"""References within a document. None leaves it: not to a file, not to an address, not to a metadata service."""

from typing import Any, cast
from urllib.parse import unquote

from ripieno.domain.jsons import JsonObject
from ripieno.tools.openapi.nodes import members

LONGEST_CHAIN = 32


class BrokenReference(Exception):
    """A reference leads nowhere, in a circle, or out of the document. Its text says which and where."""


def followed(document: JsonObject, node: Any) -> Any:
    """The node, or what it refers to in the end; what stands beside a `$ref` is left out.

    Raises:
        BrokenReference: There is nothing there.
    """
    for _ in range(LONGEST_CHAIN):
        reference = members(node).get("$ref")
        if not isinstance(reference, str):
            return node
        node = target(document, reference)
    raise BrokenReference("references lead in a circle")


def target(document: JsonObject, reference: str) -> Any:
    """What a reference points at. Raises `BrokenReference`."""
    if not reference.startswith("#"):
        raise BrokenReference(f"{reference[:200]!r} is outside the document; references to elsewhere are not followed")
    node: Any = document
    for part in parts(reference):
        try:
            node = cast("list[Any]", node)[_index(part)] if isinstance(node, list) else members(node)[part]
        except (KeyError, IndexError, ValueError):
            raise BrokenReference(f"there is nothing at {reference[:200]!r}") from None
    return node


def parts(reference: str) -> list[str]:
    """The keys of a local reference (RFC 6901 in a URI fragment)."""
    pointer = unquote(reference.removeprefix("#")).removeprefix("/")
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")] if pointer else []


def _index(part: str) -> int:
    if not part.isdecimal():
        raise ValueError(part)
    return int(part)

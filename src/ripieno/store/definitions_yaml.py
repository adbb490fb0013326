"""YAML as agent files may use it: one small document, and the line of everything in it.

Aliases are allowed but counted as what they stand for, so that a few lines cannot unfold into gigabytes.
"""

import re
from collections.abc import Sequence

import yaml

from ripieno.domain.jsons import Json

MOST_BYTES = 256 * 1024
MOST_NODES = 20_000
MOST_DEPTH = 40

_LOADER: type[yaml.CSafeLoader | yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Unreadable(Exception):
    """The text is no YAML that can be used; `line` counts from 1."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


class Document:
    """A parsed YAML document: its value, and where each part of it stands."""

    def __init__(self, root: yaml.Node, value: Json) -> None:
        self._root = root
        self.value = value

    @property
    def is_mapping(self) -> bool:
        """Whether it has keys."""
        return isinstance(self._root, yaml.MappingNode)

    def line(self, path: Sequence[str | int]) -> int:
        """The line of the key or item at `path`; where there is none, that of the nearest part above it."""
        return _find(self._root, path)[0]

    def text_line(self, path: Sequence[str | int], line: int) -> int:
        """The line in the file of line `line` of a text value; block scalars begin on the line after their mark."""
        node = _find(self._root, path)[1]
        block = isinstance(node, yaml.ScalarNode) and node.style in {"|", ">"}
        return int(node.start_mark.line) + line + int(block)


def read(content: bytes) -> Document:
    """Parse one YAML document.

    Raises:
        Unreadable: It is too large, too deep, not UTF-8, not YAML, empty, several, or has a key twice.
    """
    text = _decoded(content)
    try:
        _check_depth(text)
        loader = _LOADER(text)
        try:
            root = loader.get_single_node()
            if root is None:
                raise Unreadable("the file is empty")
            _weigh(root, {})
            value: Json = loader.construct_document(root)  # pyright: ignore[reportUnknownMemberType]
            return Document(root, value)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Unreadable(f"not valid YAML: {_plain(error)}", mark.line + 1 if mark else None) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise Unreadable("not valid YAML: the file has a control character", line) from None
    except ValueError:  # a date such as 2026-99-99
        raise Unreadable("not valid YAML: a value looks like a date or a number but is none") from None


def _decoded(content: bytes) -> str:
    if len(content) > MOST_BYTES:
        raise Unreadable(f"the file is larger than {MOST_BYTES // 1024} KiB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable("the file is not UTF-8 text", content.count(b"\n", 0, error.start) + 1) from None


def _check_depth(text: str) -> None:
    """Refuse what would exhaust the stack of the recursive steps that follow. Events come without recursion."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MOST_DEPTH:
                raise Unreadable(f"nested more than {MOST_DEPTH} deep", _line(event))
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _weigh(node: yaml.Node, known: dict[int, int]) -> int:
    """How many nodes a node stands for when its aliases are written out. 0 in `known` marks a node under way."""
    if id(node) in known:
        if not known[id(node)]:
            raise Unreadable("an alias refers to what it is part of", _line(node))
        return known[id(node)]
    known[id(node)] = 0
    weight = 1 + sum(_weigh(child, known) for child in _children(node))
    if weight > MOST_NODES:
        raise Unreadable("too many values, or aliases that unfold into too many", _line(node))
    known[id(node)] = weight
    return weight


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                if key.value in seen:
                    raise Unreadable(f"the key {key.value!r} is there twice", _line(key))
                seen.add(key.value)
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _find(node: yaml.Node, path: Sequence[str | int]) -> tuple[int, yaml.Node]:
    """The line of the key, and the node of the value, as deep as the path leads."""
    line = _line(node)
    for part in path:
        if isinstance(node, yaml.MappingNode):
            pair = next((pair for pair in node.value if pair[0].value == str(part)), None)
            if pair is None:
                break
            line, node = _line(pair[0]), pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = _line(node)
        else:
            break
    return line, node


def _line(place: yaml.Node | yaml.Event) -> int:
    mark = place.start_mark
    return mark.line + 1 if mark else 1


def _plain(error: yaml.MarkedYAMLError) -> str:
    words = " ".join(str(part) for part in (error.context, error.problem) if part)
    return re.sub(r"\s+", " ", words)[:300]

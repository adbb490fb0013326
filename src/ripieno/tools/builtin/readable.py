"""HTML as text: what a reader sees, with headings, lists and paragraphs kept apart."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html.parser import HTMLParser

MOST_LINKS = 40

_SILENT = {"script", "style", "noscript", "template", "svg", "math", "iframe", "object", "canvas", "select", "head"}
_BLOCKS = {
    *("address", "article", "aside", "blockquote", "dd", "details", "div", "dl", "dt", "fieldset", "figcaption"),
    *("figure", "footer", "form", "header", "hr", "main", "nav", "ol", "p", "pre", "section", "summary", "table"),
    *("tr", "ul", "br"),
}
_HEADINGS = {f"h{level}": f"\n\n{'#' * level} " for level in range(1, 7)}
_OPENING = {**dict.fromkeys(_BLOCKS, "\n"), **_HEADINGS, "p": "\n\n", "li": "\n- ", "td": " | ", "th": " | "}
_SPACES = re.compile(r"[^\S\n]+")
_BLANK_LINES = re.compile(r"\s*\n\s*\n\s*")


@dataclass(frozen=True, slots=True)
class Page:
    """A page for a reader."""

    title: str
    text: str
    links: tuple[str, ...]


def read(html: str) -> Page:
    """Turn HTML into text. Broken HTML gives what text there is."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    text = _SPACES.sub(" ", "".join(reader.pieces))
    text = "\n".join(line.strip() for line in text.splitlines())
    return Page(" ".join(reader.title.split()), _BLANK_LINES.sub("\n\n", text).strip(), tuple(reader.links))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self.links: list[str] = []
        self.title = ""
        self._in_title = False
        self._silent: list[str] = []

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        if tag == "title":
            self._in_title = not self.title
        elif tag == "body":
            self._silent = []  # a head that was never closed
        elif tag in _SILENT:
            self._silent.append(tag)
        elif tag == "a":
            self._link(dict(attrs).get("href"))
        else:
            self.pieces.append(_OPENING.get(tag, ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._in_title = False
        elif tag in self._silent:
            del self._silent[self._silent.index(tag) :]
        elif tag in _BLOCKS or tag in _HEADINGS:
            self.pieces.append("\n")

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data
        elif not self._silent:
            self.pieces.append(data)

    def _link(self, target: str | None) -> None:
        if target and target.startswith(("http://", "https://", "/")) and len(self.links) < MOST_LINKS:
            self.links.append(target)

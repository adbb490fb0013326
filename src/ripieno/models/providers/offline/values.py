"""Values that stand in a text: addresses, paths, expressions, numbers, what is quoted."""

import ast
import re
from dataclasses import dataclass

from ripieno.domain.jsons import Json, JsonObject

_EXTENSIONS = (
    "md|txt|py|pyi|json|jsonl|yaml|yml|toml|log|csv|tsv|sh|js|ts|tsx|html|css|cfg|ini|conf|lock|xml|rst|rs|go|java|c|h|cpp"
    "|sql|pdf|env|gz|zip|tar|db|sqlite|pem|crt"
)
_URL = re.compile(r"https?://[^\s<>\"'`)\]]+")
_MAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")
_GLOB = re.compile(r"(?<!\S)[\w./~-]*\*{1,2}[\w./*-]*\.\w+|(?<!\S)[\w.~-]*/[\w./-]*\*[\w./*-]*")
_PATH = re.compile(
    rf"(?<![\w/.])(?:(?:~|\.{{1,2}})?/[\w.@+-]+(?:/[\w.@+-]+)*/?"
    rf"|[\w@+-][\w.@+-]*(?:/[\w.@+-]+)*\.(?:{_EXTENSIONS})\b(?!\.\w|/)"
    rf"|[\w.-]+(?:/[\w.-]+)+/?|[\w.-]+/(?=[\s,;?!]|$)|Makefile|Dockerfile|README|LICENSE|\.{{1,2}}/)"
)
_FILE = re.compile(
    rf"(?<![\w/.])(?:(?:~|\.{{1,2}})?/)?(?:[\w@+-][\w.@+-]*/)*[\w@+-][\w.@+-]*\.(?:{_EXTENSIONS})\b(?!\.\w|/|:\d)(?!\w)"
)
_ROOT = re.compile(r"(?<!\S)/(?=[\s,.?!;]|$)")
_ADDRESS = re.compile(
    r"(?<![\w./-])(?:\d{1,3}(?:\.\d{1,3}){3}|localhost"
    r"|(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?\.)+[a-zA-Z]{2,}|::1)(?![\w])"
)
_PORT_AFTER = re.compile(r":(\d{1,5})\b")
_QUOTED = re.compile(r"\"([^\"\n]+)\"|`([^`\n]+)`|(?<!\w)'([^'\n]+)'(?!\w)|“([^”\n]+)”")
_SIGNS = {"\N{MULTIPLICATION SIGN}": "*", "\N{DIVISION SIGN}": "/", "^": "**"}
_RUN = re.compile(r"(?<![\w.])(?:(?:sqrt|abs|log|exp|sin|cos|tan|floor|ceil|round)(?=\()|[\d.()+\-*/%^\u00d7\u00f7 ])+")
_DATE = re.compile(r"\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2})?)?\b|\b\d{1,2}:\d{2}(?::\d{2})?\b")
_SPOKEN = (
    (re.compile(r"(\d+(?:\.\d+)?)\s*(?:%|percent)\s+of\s+(\d+(?:\.\d+)?)", re.IGNORECASE), r"\1/100*\2"),
    (re.compile(r"(?:the )?square root of (\d+(?:\.\d+)?)", re.IGNORECASE), r"sqrt(\1)"),
    (re.compile(r"(?<=\d)\s+plus\s+(?=\d)", re.IGNORECASE), " + "),
    (re.compile(r"(?<=\d)\s+minus\s+(?=\d)", re.IGNORECASE), " - "),
    (re.compile(r"(?<=\d)\s+(?:times|multiplied by|x)\s+(?=\d)", re.IGNORECASE), " * "),
    (re.compile(r"(?<=\d)\s+divided by\s+(?=\d)", re.IGNORECASE), " / "),
    (re.compile(r"(?<=\d)\s+to the power of\s+(?=\d)", re.IGNORECASE), " ** "),
)


_LONGEST_TEXT = 4000
_LONGEST_EXPRESSION = 120


@dataclass(frozen=True, slots=True)
class Values:
    """What was found. `text` is the whole text, `plain` what is left of it when the values are taken out."""

    text: str
    plain: str
    urls: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    globs: tuple[str, ...] = ()
    quoted: tuple[str, ...] = ()
    expressions: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()


class _Taker:
    """Takes values out of a text, so that none is found twice under two kinds."""

    def __init__(self, text: str) -> None:
        self.text = text

    def take(self, pattern: re.Pattern[str]) -> tuple[str, ...]:
        found = [
            next((group for group in match.groups() if group), match.group()) for match in pattern.finditer(self.text)
        ]
        self.text = pattern.sub(" ", self.text)
        return tuple(dict.fromkeys(item.strip().rstrip(".,;:!?") or item.strip() for item in found))


def unspoken(text: str) -> str:
    """Write arithmetic in words with signs: `12 times 34` → `12 * 34`, `15 % of 80` → `15/100*80`."""
    for pattern, signs in _SPOKEN:
        text = pattern.sub(signs, text)
    return text


def find(text: str) -> Values:
    """Find the values in a text."""
    text = unspoken(text[:_LONGEST_TEXT])
    taker = _Taker(text)
    urls = taker.take(_URL)
    quoted = taker.take(_QUOTED)
    taker.take(_MAIL)
    dates = taker.take(_DATE)
    files = taker.take(_FILE)
    hosts = taker.take(_ADDRESS)
    expressions = _expressions(taker)
    globs = taker.take(_GLOB)
    paths = (*taker.take(_PATH), *files, *taker.take(_ROOT))
    named = tuple(item for item in quoted if "/" in item and " " not in item)
    return Values(
        text=text,
        plain=_PORT_AFTER.sub(r" port \1 ", taker.text),
        urls=urls,
        hosts=hosts,
        paths=tuple(item for item in (*paths, *named) if not item.replace("/", "").isdigit()),
        globs=globs,
        quoted=quoted,
        expressions=expressions,
        dates=dates,
    )


def _expressions(taker: _Taker) -> tuple[str, ...]:
    """Take arithmetic out of the text: runs of digits and signs that parse as a sum of at least two operands."""
    found: list[str] = []
    for match in _RUN.finditer(taker.text):
        raw = match.group().strip(" .").rstrip("+-*/%^ .")
        expression = "".join(_SIGNS.get(sign, sign) for sign in raw)
        if _is_arithmetic(expression):
            found.append(expression)
            taker.text = taker.text.replace(raw, " ", 1)
    return tuple(dict.fromkeys(found))


def _is_arithmetic(expression: str) -> bool:
    if not any(sign.isdigit() for sign in expression) or len(expression) > _LONGEST_EXPRESSION:
        return False
    try:
        tree = ast.parse(expression, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return isinstance(tree, ast.BinOp | ast.Call) and not isinstance(getattr(tree, "func", None), ast.Constant)


def host_of(url: str) -> str:
    """The host name in a URL."""
    return url.split("://", 1)[-1].split("/", 1)[0].rsplit("@", 1)[-1].split(":", 1)[0]


def flat(value: Json, prefix: str = "") -> list[str]:
    """Write JSON as lines `path: scalar`, so that it can be searched like text."""
    if isinstance(value, dict):
        document: JsonObject = value  # pyright: ignore[reportUnknownVariableType]
        return [
            line for key, item in document.items() for line in flat(item, f"{prefix}.{key}" if prefix else str(key))
        ]
    if isinstance(value, list):
        items: list[Json] = value  # pyright: ignore[reportUnknownVariableType]
        if items and all(not isinstance(item, dict | list) for item in items):
            return [f"{prefix}: {', '.join(str(item) for item in items)}"]
        return [line for index, item in enumerate(items) for line in flat(item, f"{prefix}[{index}]")]
    return [f"{prefix}: {value}" if prefix else str(value)]

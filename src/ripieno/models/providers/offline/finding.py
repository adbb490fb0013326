"""Finding the values that a parameter could take in a text: one small finder for each kind."""

import re
from collections.abc import Callable, Mapping
from functools import cache
from zoneinfo import available_timezones

from ripieno.domain.jsons import Json, JsonObject
from ripieno.models.providers.offline import words
from ripieno.models.providers.offline.kinds import Kind, type_of
from ripieno.models.providers.offline.values import Values, host_of

_NUMBERS = r"(\d+(?:\.\d+)?(?:\s*(?:,|and|or|&)\s*\d+(?:\.\d+)?)*)"
_SERVICES = {
    "https": 443,
    "http": 80,
    "ssh": 22,
    "smtp": 25,
    "imap": 143,
    "ftp": 21,
    "postgres": 5432,
    "postgresql": 5432,
    "mysql": 3306,
    "redis": 6379,
}
_LIMITS = {"limit", "top", "n", "max", "maximum", "count", "number", "size"}
_AMOUNT = re.compile(
    r"\b(?:top|first|last|at most|up to|limit|biggest|largest)\s+(?:the\s+)?(\d+)(?!\s*(?:sec|min|hour|day|week))",
    re.IGNORECASE,
)
_ITEMS = re.compile(r"\b(\d+)\s+(?:times|pings?|packets?|probes?|lines?|entries|rows|process\w*)", re.IGNORECASE)
_HERE = {"checkout", "repository", "repo", "project", "here", "workspace", "codebase", "code", "folder", "directory"}
_MACHINE = re.compile(r"\b(?:this|the|local|own) (?:machine|host|computer|server|box)\b|\blocally\b", re.IGNORECASE)
_SHORT = 3
_UNITS = {"second": "s", "sec": "s", "minute": "m", "min": "m", "hour": "h", "day": "d", "week": "w"}
_AGO = re.compile(r"\b(?:last|past|previous|since)\s+(\d+)?\s*(sec|second|min|minute|hour|day|week)s?\b", re.IGNORECASE)
_ZONE = re.compile(r"\b[A-Z][A-Za-z]+/[A-Z][A-Za-z_]+(?:/[A-Z][A-Za-z_]+)?\b|\bUTC\b|\bGMT\b")
_AFTER = re.compile(r"\b(?:for|containing|matching|mentioning|with|about|like|of|in|at|to|from|as)\s+", re.IGNORECASE)
_SOUGHT = re.compile(r"\b(?:for|containing|matching|mentioning|about|like)\s+", re.IGNORECASE)
_PHRASE = re.compile(r"[\w.@+-]+(?:\s+[\w.@+-]+){0,3}")
_PROPER = re.compile(r"[A-Z][\w-]*(?:\s+[A-Z][\w-]*)*")


def candidates(name: str, schema: JsonObject, kind: Kind, values: Values) -> list[Json]:
    """All values in the text that the parameter could take, the likeliest first."""
    said = named(name, values.text)
    return (
        [*said, *_FINDERS[kind](name, schema, values)] if kind in _NAMED_FIRST else _FINDERS[kind](name, schema, values)
    )


def named(name: str, text: str) -> list[Json]:
    """Values that the text gives to a name: `city=Rome`, `city: "New York"`, `city is Rome`."""
    label = re.escape(name).replace("_", "[ _-]")
    pattern = rf"(?<!\w){label}(?:ed)?\s*(?:[:=]|\bis\b|\bby\b)\s*(?:\"([^\"]+)\"|'([^']+)'|([^\s,;]+))"
    return [next(group for group in match.groups() if group) for match in re.finditer(pattern, text, re.IGNORECASE)]


def here(values: Values) -> list[Json]:
    """The current folder, where the text speaks of the place it is said in."""
    return ["."] if _HERE & {word.lower() for word in re.findall(r"\w+", values.plain)} else []


def this_machine(values: Values) -> list[Json]:
    """The local host, where the text speaks of this machine."""
    return ["localhost"] if _MACHINE.search(values.plain) else []


def _hosts(_: str, _schema: JsonObject, values: Values) -> list[Json]:
    return [*values.hosts] or [host_of(url) for url in values.urls]


def _numbers(name: str, schema: JsonObject, values: Values) -> list[Json]:
    text = values.plain
    label = words.stem(name.rsplit("_", 1)[-1])
    found = re.findall(rf"(?<![\w]){re.escape(label)}\w*\s*(?:number|of|is|to|[:=])?\s*{_NUMBERS}", text, re.IGNORECASE)
    found += re.findall(rf"(\d+(?:\.\d+)?)\s+{re.escape(label)}", text, re.IGNORECASE)
    if set(name.lower().split("_")) & _LIMITS:
        found += [*_AMOUNT.findall(text), *_ITEMS.findall(text)]
    digits = [number for group in found for number in re.findall(r"\d+(?:\.\d+)?", group)]
    if name == "port" and not digits:
        digits = [str(_SERVICES[word]) for word in re.findall(r"\w+", text.lower()) if word in _SERVICES]
    return [_number(number, schema) for number in dict.fromkeys(digits)]


def bare_numbers(schema: JsonObject, values: Values) -> list[Json]:
    """The numbers of a text that belong to no name, for a parameter that must have one."""
    return [_number(number, schema) for number in re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.]*\w)", values.plain)]


def _number(text: str, schema: JsonObject) -> Json:
    return int(float(text)) if type_of(schema) == "integer" or "." not in text else float(text)


def _choices(_: str, schema: JsonObject, values: Values) -> list[Json]:
    options: list[Json] = [schema["const"]] if "const" in schema else list(schema.get("enum", ()))
    found = [(position, option) for option in options if (position := _place(option, values.text)) is not None]
    return [option for _, option in sorted(found, key=lambda item: item[0])]


def _place(option: Json, text: str) -> int | None:
    if not isinstance(option, str) or not option:
        return None
    # Short options are words too ("A", "is"): their case counts, and one letter must be followed by "record" or so.
    flags = re.IGNORECASE if len(option) > _SHORT else 0
    after = r"(?=\s+(?:record|type|entr)|\s*$)" if len(option) == 1 else ""
    found = re.search(rf"(?<!\w){re.escape(option)}s?(?!\w){after}", text, flags)
    return found.start() if found else None


def _truth(name: str, _: JsonObject, values: Values) -> list[Json]:
    label = words.stem(name.rsplit("_", 1)[-1])
    found = re.search(rf"(\b(?:no|not|without|never)\s+(?:\w+\s+)?)?\b{re.escape(label)}", values.plain, re.IGNORECASE)
    return [found.group(1) is None] if found else []


def _times(_: str, _schema: JsonObject, values: Values) -> list[Json]:
    found: list[Json] = list(values.dates)
    for amount, unit in _AGO.findall(values.plain):
        found.append(f"{amount or 1}{_UNITS[unit.lower()]}")
    for word, length in (("yesterday", "2d"), ("today", "1d"), ("recent", "1d")):
        if re.search(rf"\b{word}", values.plain, re.IGNORECASE):
            found.append(length)
    return found


def _zones(_: str, _schema: JsonObject, values: Values) -> list[Json]:
    found: list[Json] = list(_ZONE.findall(values.text))
    for phrase in _PROPER.findall(values.text):
        zone = _cities().get(phrase.replace(" ", "_").lower())
        if zone:
            found.append(zone)
    return found


@cache
def _cities() -> Mapping[str, str]:
    return {
        zone.rsplit("/", 1)[-1].lower(): zone for zone in sorted(available_timezones(), reverse=True) if "/" in zone
    }


def _patterns(_: str, _schema: JsonObject, values: Values) -> list[Json]:
    return [*values.quoted, *_phrases(_SOUGHT, values)]


def _phrases(lead: re.Pattern[str], values: Values) -> list[Json]:
    """What follows a preposition, up to the next function word."""
    found: list[Json] = []
    for match in lead.finditer(values.text):
        phrase = _PHRASE.match(values.text, match.end())
        kept: list[str] = []
        for word in phrase.group().split() if phrase else ():
            if word.lower() in words.STOP:
                break
            kept.append(word.rstrip("."))
        if kept:
            found.append(" ".join(kept))
    return found


def _texts(_: str, _schema: JsonObject, values: Values) -> list[Json]:
    proper = [match for lead in _AFTER.finditer(values.text) if (match := _PROPER.match(values.text, lead.end()))]
    return [*values.quoted, *(match.group() for match in proper), *_phrases(_AFTER, values)]


def _questions(_: str, _schema: JsonObject, values: Values) -> list[Json]:
    return [*values.quoted, *_phrases(_SOUGHT, values), values.text.strip()]


def _contents(_: str, _schema: JsonObject, values: Values) -> list[Json]:
    return [item for item in values.quoted if item not in values.paths]


def _paths(_: str, _schema: JsonObject, values: Values) -> list[Json]:
    return [*values.paths]


def _nothing(_: str, _schema: JsonObject, _values: Values) -> list[Json]:
    return []


_FINDERS: Mapping[Kind, Callable[[str, JsonObject, Values], list[Json]]] = {
    Kind.EXPRESSION: lambda _, _schema, values: [*values.expressions],
    Kind.URL: lambda _, _schema, values: [*values.urls],
    Kind.HOST: _hosts,
    Kind.PATH: _paths,
    Kind.GLOB: lambda _, _schema, values: [*values.globs],
    Kind.PATTERN: _patterns,
    Kind.CONTENT: _contents,
    Kind.TIMEZONE: _zones,
    Kind.SINCE: _times,
    Kind.QUESTION: _questions,
    Kind.CHOICE: _choices,
    Kind.NUMBER: _numbers,
    Kind.BOOLEAN: _truth,
    Kind.LIST: _nothing,
    Kind.OBJECT: _nothing,
    Kind.TEXT: _texts,
}
_NAMED_FIRST = {Kind.TEXT, Kind.QUESTION, Kind.PATTERN, Kind.CONTENT, Kind.SINCE, Kind.TIMEZONE}

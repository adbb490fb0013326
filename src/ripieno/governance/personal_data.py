"""Finding personal data and secrets in text, by shapes and check digits.

What has a check (IBAN, card, social security number) is only found where it holds, so that order numbers and times
stay what they are. A name or an address has no shape, and is not found.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from ripieno.domain.personal import Found

KINDS = ("KEY", "EMAIL", "IBAN", "CARD", "SSN", "PHONE", "IP")
"""All kinds, those that are looked for first in front: a part of a key is no phone number."""

USUAL = ("KEY", "EMAIL", "IBAN", "CARD", "SSN", "PHONE")
"""What is looked for where nobody says: of addresses of machines there are many where machines are the subject."""

ISSUERS = re.compile(
    r"4|5[1-5]|2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720)|3[47]|6(?:011|4[4-9]|5)|35(?:2[89]|[3-8])|30[0-5]|3[689]|62"
    r"|50(?:18|20|38)|63(?:04)|67(?:59|6[1-3])"
)
"""How the numbers of cards begin that anybody issues: Visa, Mastercard, American Express, Discover, JCB, Diners, …"""

IBAN_LENGTHS = range(15, 35)
CARD_LENGTHS = range(13, 20)
PHONE_DIGITS = range(8, 16)


def _sound_card(text: str) -> bool:
    digits = [int(character) for character in text if character.isdigit()]
    if len(digits) not in CARD_LENGTHS or not ISSUERS.match("".join(map(str, digits))) or len(set(digits)) == 1:
        return False
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _sound_iban(text: str) -> bool:
    plain = re.sub("[ -]", "", text)
    return len(plain) in IBAN_LENGTHS and int("".join(str(int(each, 36)) for each in plain[4:] + plain[:4])) % 97 == 1


def _sound_ssn(text: str) -> bool:
    area, group, serial = text.split("-")
    return area not in {"000", "666"} and area < "900" and group != "00" and serial != "0000"


def _sound_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _sound_phone(text: str) -> bool:
    return sum(character.isdigit() for character in text) in PHONE_DIGITS


def _sound(text: str) -> bool:
    return bool(text)


@dataclass(frozen=True, slots=True)
class _Shape:
    """A pattern, what may stand before it and belongs to it, and what must hold for what it fits.

    A pattern begins with what is rare and looks back from there, which is many times faster than the other way round.
    Without one of `hints` in a text, in small letters, it is not there.
    """

    kind: str
    pattern: re.Pattern[str]
    hints: tuple[str, ...] = ()
    sound: Callable[[str], bool] = _sound
    before: re.Pattern[str] | None = None


def _shape(kind: str, pattern: str, *hints: str, sound: Callable[[str], bool] = _sound, before: str = "") -> _Shape:
    return _Shape(kind, re.compile(pattern), hints, sound, re.compile(before) if before else None)


NAMED = r"(?i:\b(?:pass(?:word|wd)|pwd|secret|api[_-]?key|(?:access|auth)[_-]?token|client[_-]?secret))\b"

SHAPES = (
    _shape(
        "KEY",
        r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----[\s\S]{1,8000}?-----END [A-Z ]{0,20}PRIVATE KEY-----",
        "private key",
    ),
    _shape("KEY", r"eyJ(?<!\w...)[\w-]{8,2000}\.eyJ[\w-]{4,4000}\.[\w-]{10,1000}", "eyj"),
    _shape("KEY", r"A(?<!\w.)(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16}\b", "akia", "asia", "abia", "acca"),
    _shape(
        "KEY", r"gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_\w{40,255}", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "_pat_"
    ),
    _shape("KEY", r"sk-(?<!\w...)[A-Za-z0-9_-]{20,200}", "sk-"),
    _shape("KEY", r"xox[abeoprs]-[A-Za-z0-9-]{10,200}", "xox"),
    _shape("KEY", r"://[^\s/:@]{0,64}:([^\s/@]{1,128})@", "://"),
    _shape(
        "KEY",
        NAMED + r"[\"']?\s{0,3}[:=]\s{0,3}[\"']?([^\s\"',;]{6,200})",
        *("passw", "pwd", "secret", "apikey", "api_key", "api-key", "token"),
    ),
    _shape("EMAIL", r"@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}\b", "@", before=r"[\w.+-]{1,64}$"),
    _shape(
        "IBAN",
        r"[A-Z](?<!\w.)[A-Z]\d{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,3})?\b",
        sound=_sound_iban,
    ),
    _shape("CARD", r"[2-6](?<![\d.-].)(?:[ -]?\d){12,18}(?![\d.-]*\d)", sound=_sound_card),
    _shape("SSN", r"-\d\d-\d{4}(?![\d-])", "-", sound=_sound_ssn, before=r"(?<![\d-])\d{3}$"),
    _shape("IP", r"\d(?<![\d.].)\d{0,2}(?:\.\d{1,3}){3}(?![\d.]*\d)", ".", sound=_sound_ip),
    _shape("IP", r"[\dA-Fa-f:](?<![\w:].)[\dA-Fa-f]{0,3}:[\dA-Fa-f:]{1,38}(?![\w:])", ":", sound=_sound_ip),
    _shape("PHONE", r"\+(?<![\w.].)\d{1,3}(?:[ .-]?\(?\d{1,5}\)?){1,6}(?![\w-])", "+", sound=_sound_phone),
    _shape("PHONE", r"\((?<![\w.-].)\d{2,5}\)(?:[ .-]?\d{2,5}){2,4}(?![\w-])", "(", sound=_sound_phone),
    _shape("PHONE", r"[2-9](?<![\w.-].)\d\d([ .-])\d{3}\1\d{4}(?![\w-])"),
)
"""Of a key with a group, the group is what is secret; the group of a phone number only repeats its separator."""

LONGEST_BEFORE = 65


class Finder:
    """Finds the kinds that it is told to, in order of place and without overlaps."""

    def __init__(self, kinds: Collection[str] = USUAL) -> None:
        self._shapes = [shape for shape in SHAPES if shape.kind in kinds]

    def __call__(self, text: str) -> Sequence[Found]:
        """What stands in a text."""
        found: list[Found] = []
        taken, small = bytearray(len(text)), text.lower()
        for shape in self._shapes:
            if shape.hints and not any(hint in small for hint in shape.hints):
                continue
            for start, end in _matches(shape, text):
                if taken.find(1, start, end) < 0:
                    taken[start:end] = b"\1" * (end - start)
                    found.append(Found(shape.kind, start, end))
        return sorted(found, key=lambda one: one.start)


def _matches(shape: _Shape, text: str) -> Iterator[tuple[int, int]]:
    for match in shape.pattern.finditer(text):
        start, end = match.span(1) if shape.kind == "KEY" and match.re.groups else match.span()
        if shape.before is not None:
            front = shape.before.search(text, max(0, start - LONGEST_BEFORE), start)
            if front is None:
                continue
            start = front.start()
        if shape.sound(text[start:end]):
            yield start, end

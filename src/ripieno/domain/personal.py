"""Where in a text something stands that is nobody's business: a person's data, or a secret."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Found:
    """One such place: what kind of thing it is (`EMAIL`, `CARD`, `KEY` …) and where, as a slice."""

    kind: str
    start: int
    end: int

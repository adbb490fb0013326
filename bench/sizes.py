"""How much a bench does: a quick look, the usual, or more rounds."""

from enum import StrEnum
from typing import TypeVar

T = TypeVar("T")


class Size(StrEnum):
    """Chosen on the command line."""

    QUICK = "quick"
    USUAL = "usual"
    LONG = "long"

    def of(self, quick: T, usual: T, long: T) -> T:
        """The value for this size."""
        return {Size.QUICK: quick, Size.USUAL: usual, Size.LONG: long}[self]

"""What a bench hands back: tables, aims and numbers, and how they look on a terminal."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Cell: TypeAlias = str | float | int | None


@dataclass(frozen=True, slots=True)
class Table:
    """Columns with numbers to the right and words to the left."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]

    def lines(self) -> list[str]:
        """The table as text, one line for the head and one for each row."""
        texts = [list(self.columns), *([shown(cell) for cell in row] for row in self.rows)]
        widths = [max(len(row[column]) for row in texts) for column in range(len(self.columns))]
        words = [all(isinstance(row[column], str) for row in self.rows) for column in range(len(self.columns))]
        return ["  ".join(_padded(*cell) for cell in zip(row, widths, words, strict=True)).rstrip() for row in texts]


@dataclass(frozen=True, slots=True)
class Aim:
    """A figure, and the bound it should keep: at least `bound`, or at most with `at_most`."""

    name: str
    value: float
    bound: float
    unit: str
    at_most: bool = False

    @property
    def reached(self) -> bool:
        """Whether the figure keeps its bound."""
        return self.value <= self.bound if self.at_most else self.value >= self.bound

    def row(self) -> list[Cell]:
        """The aim as a row of a table."""
        sign = "≤" if self.at_most else "≥"
        wanted = f"{sign} {shown(self.bound)} {self.unit}"
        return [self.name, wanted, f"{shown(self.value)} {self.unit}", "reached" if self.reached else "not reached"]


@dataclass(frozen=True, slots=True)
class Report:
    """One bench's outcome. `numbers` is everything that was measured, for `--json`."""

    title: str
    tables: Sequence[Table]
    aims: Sequence[Aim]
    notes: Sequence[str] = ()
    numbers: dict[str, Any] = field(default_factory=dict[str, Any])

    def text(self) -> str:
        """The report as it is printed."""
        lines = [self.title, "=" * len(self.title)]
        for table in self.tables:
            lines += ["", *table.lines()]
        lines += ["", *Table(("aim", "wanted", "measured", ""), [aim.row() for aim in self.aims]).lines()]
        lines += ["", *self.notes] if self.notes else []
        return "\n".join(lines)


def shown(cell: Cell) -> str:
    """A number with three significant digits, thousands apart; words as they are; nothing as a dash."""
    if cell is None:
        return "-"
    if isinstance(cell, str):
        return cell
    if isinstance(cell, int) or abs(cell) >= 100:
        return f"{cell:,.0f}"
    return f"{cell:.3g}" if abs(cell) < 10 else f"{cell:.1f}"


def _padded(text: str, width: int, is_words: bool) -> str:
    return text.ljust(width) if is_words else text.rjust(width)

"""Tables for people: aligned on a terminal, one tab-separated row a line elsewhere."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ripieno.cli.wording import clean


@dataclass(frozen=True, slots=True)
class Column:
    """A column; one with a `ratio` takes what width is left and is cut at its end."""

    name: str
    ratio: int | None = None
    no_wrap: bool = False


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[str | Text]], nothing: str) -> None:
    """Print rows, or the sentence `nothing` where there are none."""
    found = [[_text(cell) for cell in row] for row in rows]
    console = Console()
    if not found:
        console.print(nothing, style="dim", soft_wrap=True, markup=False, highlight=False)
    elif console.is_terminal:
        console.print(_table(columns, found))
    else:
        for row in found:
            sys.stdout.write("\t".join(" ".join(cell.plain.split()) for cell in row) + "\n")


def _table(columns: Sequence[Column], rows: Sequence[Sequence[Text]]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", expand=True)
    for column in columns:
        cut = column.no_wrap or column.ratio is not None
        table.add_column(column.name, ratio=column.ratio, no_wrap=cut, overflow="ellipsis")
    for row in rows:
        table.add_row(*row)
    return table


def _text(cell: str | Text) -> Text:
    return cell if isinstance(cell, Text) else Text(clean(cell))

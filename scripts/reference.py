"""Writes the generated tables of `docs/reference` from the code; `--check` only says which are not up to date.

A page holds a table between `<!-- begin: NAME -->` and `<!-- end: NAME -->`; what stands around it is written by hand.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import reference_code
import reference_doors

PAGES = Path(__file__).resolve().parents[1] / "docs" / "reference"
TABLES: dict[str, Callable[[], str]] = {
    "settings": reference_code.settings,
    "errors": reference_code.errors,
    "run-states": reference_code.run_states,
    "tools": reference_doors.tools,
    "cli": reference_doors.cli,
    "http-api": reference_doors.http_api,
}


def main() -> int:
    """Write or check every page."""
    check = "--check" in sys.argv[1:]
    stale = [name for name, table in TABLES.items() if not up_to_date(name, table(), write=not check)]
    if check and stale:
        print(f"Not up to date: {', '.join(f'docs/reference/{name}.md' for name in stale)}. Run `make docs`.")
        return 1
    return 0


def up_to_date(name: str, table: str, *, write: bool) -> bool:
    """Whether a page holds this table; puts it there when asked to."""
    path = PAGES / f"{name}.md"
    text = path.read_text()
    begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
    wanted = f"{begin}\n\n{table.strip()}\n\n{end}"
    new, found = re.subn(f"{begin}.*{end}", lambda _: wanted, text, flags=re.DOTALL)
    if found != 1:
        sys.exit(f"{path.name} lacks the marks of its table: {begin} and {end}")
    if new == text:
        return True
    if write:
        path.write_text(new)
        print(f"Wrote docs/reference/{path.name}")
    return False


if __name__ == "__main__":
    sys.exit(main())

"""The outside witness: a file that outlives every process, with a line for each thing that was seen to happen."""

import json
from pathlib import Path

from ripieno.domain.jsons import Json, JsonObject


class Witness:
    """Writes lines that are in the file before the call returns, and reads them back."""

    def __init__(self, path: Path, life: int = 0) -> None:
        self._path = path
        self._life = life

    def tell(self, what: str, **facts: Json) -> None:
        """Leave one line."""
        line = json.dumps({"what": what, "life": self._life, **facts}, separators=(",", ":"))
        with self._path.open("ab", buffering=0) as file:
            file.write(b"\n" + line.encode() + b"\n")  # begins anew: the line before may have been cut off by a kill

    def lines(self) -> list[JsonObject]:
        """All that were told whole, in the order in which things happened."""
        if not self._path.exists():
            return []
        told = map(_whole, self._path.read_bytes().splitlines())
        return [line for line in told if line is not None]

    def saw(self, what: str, **facts: Json) -> bool:
        """Whether a line says this, and perhaps more."""
        wanted = {"what": what, **facts}.items()
        return any(wanted <= {name: line.get(name) for name, _ in wanted}.items() for line in self.lines())


def _whole(line: bytes) -> JsonObject | None:
    """A line; None for one that is still being written, or whose writer was killed while it wrote."""
    try:
        return json.loads(line)
    except ValueError:
        return None

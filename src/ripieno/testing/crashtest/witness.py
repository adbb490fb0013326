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
            file.write(line.encode() + b"\n")

    def lines(self) -> list[JsonObject]:
        """All of them, in the order in which things happened."""
        if not self._path.exists():
            return []
        return [json.loads(line) for line in self._path.read_bytes().splitlines()]

    def saw(self, what: str, **facts: Json) -> bool:
        """Whether a line says this, and perhaps more."""
        wanted = {"what": what, **facts}.items()
        return any(wanted <= {name: line.get(name) for name, _ in wanted}.items() for line in self.lines())

"""What happens in a run, as the API tells it, and the reading of an event stream."""

import codecs
import json
from dataclasses import dataclass
from datetime import datetime

from ripieno.cli.wording import moment
from ripieno.domain.jsons import JsonObject


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of a run's journal. `key` is its place in the run, `seq` its number."""

    run_id: str
    seq: int
    type: str
    key: str
    at: datetime
    body: JsonObject


def from_cloud(event: JsonObject) -> Event:
    """Read a CloudEvent of the API."""
    run_id = str(event["id"]).partition("/")[0]
    return Event(run_id, event["sequence"], event["type"], event["subject"], moment(event["time"]), event["data"])


@dataclass(frozen=True, slots=True)
class Frame:
    """One message of an event stream (WHATWG HTML, section 9.2)."""

    event: str
    data: str
    id: str | None = None

    def json(self) -> JsonObject:
        """The data as JSON."""
        return json.loads(self.data)


class FrameReader:
    """Cuts the bytes of an event stream into frames, wherever the network cut them."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._fields: dict[str, list[str]] = {}

    def feed(self, chunk: bytes) -> list[Frame]:
        """Take the next bytes and answer the frames that are complete with them."""
        *lines, self._rest = (self._rest + self._decoder.decode(chunk)).split("\n")
        return [frame for line in lines if (frame := self._line(line.removesuffix("\r")))]

    def _line(self, line: str) -> Frame | None:
        if line:
            name, _, value = line.partition(":")
            if name:
                self._fields.setdefault(name, []).append(value.removeprefix(" "))
            return None
        fields, self._fields = self._fields, {}
        if "data" not in fields:
            return None
        return Frame(
            event=fields.get("event", ["message"])[-1],
            data="\n".join(fields["data"]),
            id=fields["id"][-1] if "id" in fields else None,
        )

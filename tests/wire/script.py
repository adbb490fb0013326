"""What a fake provider is told to answer, whichever wire it speaks."""

import json
from dataclasses import dataclass
from typing import Any

from ripieno.domain.messages import Reply


@dataclass(frozen=True)
class Step:
    """What one request gets. Without `fault`, it is an answer (or, with `status`, an error) as it should be.

    `calls` are (wire name, arguments as raw text). Faults: `cut` breaks the connection in the middle of the answer,
    `stop` ends the answer in the middle but cleanly, `drip` goes on for ever with `pause` seconds between words, `hang`
    never answers, `nonsense` answers with no JSON, `empty` with nothing in it, `error` with an error inside the stream,
    `strange` is an answer with members and events that nobody knows. `raw` goes out as the events of the answer.
    """

    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    status: int = 200
    message: str = "refused"
    code: str | None = None
    retry_after: float | None = None
    fault: str = ""
    pause: float = 0.0
    cached: int = 0
    written: int = 0
    reasoning: int = 0
    finish: str = ""
    raw: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seen:
    """A request as it came."""

    headers: dict[str, str]
    body: dict[str, Any]
    path: str = ""


def says(text: str, **more: Any) -> Step:
    """Answer with text."""
    return Step(text=text, **more)


def calls(*wishes: tuple[str, dict[str, Any] | str], **more: Any) -> Step:
    """Call tools, by their wire names; arguments given as text go out as they are."""
    raw = tuple((name, args if isinstance(args, str) else json.dumps(args)) for name, args in wishes)
    return Step(calls=raw, **more)


def fails(status: int, message: str = "refused", **more: Any) -> Step:
    """Answer with an error."""
    return Step(status=status, message=message, **more)


def breaks(fault: str, text: str = "one two three four five six", **more: Any) -> Step:
    """Answer with a fault; see `Step`."""
    return Step(text=text, fault=fault, **more)


def thought(reply: Reply) -> Step:
    """A reply of ours as a step."""
    raw = tuple((call.name.replace(".", "__"), json.dumps(call.arguments)) for call in reply.tool_calls)
    return Step(text=reply.text, calls=raw)

"""What a session remembers of a run that its next message did not wait for: what was said and done until then."""

from collections.abc import Sequence

from ripieno.domain.entries import Entry, EntryType

CUT = "(The next message came before an answer.)"


def account(entries: Sequence[Entry]) -> str:
    """The last words of the run, and the calls that it has made."""
    said = [entry.body["reply"]["text"] for entry in entries if entry.type is EntryType.MODEL_REPLIED]
    done = [
        f"- {entry.body['call']['name']}: {entry.body['result']['status']}"
        for entry in entries
        if entry.type is EntryType.TOOL_RETURNED
    ]
    parts = [*[text for text in said if text][-1:], *(["Done so far:", *done] if done else []), CUT]
    return "\n".join(parts)

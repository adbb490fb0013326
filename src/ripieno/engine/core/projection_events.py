"""Entries as public events (CloudEvents 1.0), and as the steps of a classic status stream."""

from datetime import UTC

from ripieno.domain.entries import ENDINGS, Entry, EntryType
from ripieno.domain.interrupts import InterruptKind
from ripieno.domain.jsons import JsonObject
from ripieno.domain.runs import RunStatus
from ripieno.engine.core.projection import Follower, TaskDetail

ABOUT_A_CHILD = frozenset({EntryType.CHILD_STARTED, EntryType.CHILD_ENDED})
_CLOSINGS = frozenset({EntryType.INTERRUPT_DECIDED, EntryType.INTERRUPT_WITHDRAWN})
AWAITS_APPROVAL = frozenset({InterruptKind.APPROVAL, InterruptKind.BUDGET})


def event(entry: Entry) -> JsonObject:
    """The public event of an entry. `sequence` is its `seq`: the place to go on from after a cut."""
    return {
        "specversion": "1.0",
        "id": f"{entry.run_id}/{entry.seq}",
        "source": f"/v1/runs/{entry.run_id}",
        "type": entry.type.value,
        "subject": entry.key,
        "time": entry.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "sequence": entry.seq,
        "data": {"run_id": entry.run_id, **_data(entry)},
    }


def _data(entry: Entry) -> JsonObject:
    """The body, in which `run_id` is always the run whose event this is.

    Of a start it is only what says who does what, because the pinned definition is long and not news.
    """
    body = entry.body
    if entry.type in ABOUT_A_CHILD:
        return {"child_run_id": body["run_id"], **{key: value for key, value in body.items() if key != "run_id"}}
    if entry.type is not EntryType.RUN_STARTED:
        return body
    return {
        "agent": body["definition"]["name"],
        "version": body["version"],
        "goal": body["goal"],
        "purpose": body["purpose"],
        "model": body["model"],
        "members": [member["name"] for member in body["members"]],
    }


class Progress:
    """Follows a run entry by entry and says what is new: its status, and the task that moved."""

    def __init__(self) -> None:
        self.status = RunStatus.QUEUED
        self._follower = Follower()
        self._open: dict[str, InterruptKind] = {}

    def see(self, entry: Entry) -> tuple[RunStatus | None, TaskDetail | None]:
        """Take the next entry: the run's status if it is another now, and the task that the entry is about."""
        before, self.status = self.status, self._after(entry)
        return (None if self.status is before else self.status), self._follower.see(entry)

    def _after(self, entry: Entry) -> RunStatus:
        if entry.type in ENDINGS:
            self._open.clear()
            return RunStatus(entry.body["result"]["status"])
        if entry.type is EntryType.INTERRUPT_OPENED:
            self._open[entry.key] = InterruptKind(entry.body["kind"])
        elif entry.type in _CLOSINGS:
            self._open.pop(entry.key.rpartition("/")[0], None)
        if not self._open:
            return RunStatus.RUNNING
        if AWAITS_APPROVAL & set(self._open.values()):
            return RunStatus.AWAITING_APPROVAL
        return RunStatus.AWAITING_INPUT

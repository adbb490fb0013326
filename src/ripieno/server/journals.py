"""Reads whole journals, page by page."""

from collections.abc import Sequence

from ripieno.domain.entries import Entry, EntryType
from ripieno.domain.errors import NotFound
from ripieno.domain.runs import Run
from ripieno.engine.core import projection
from ripieno.engine.core.projection import TaskDetail
from ripieno.ports import Records

PAGE = 1000


async def entries_of(records: Records, run: Run) -> list[Entry]:
    """All entries of a run, in order."""
    found: list[Entry] = []
    while len(found) < run.last_seq:
        page = await records.entries(run.tenant, run.id, len(found), PAGE)
        found += page
        if len(page) < PAGE:
            break
    return found


def forked_from(entries: Sequence[Entry]) -> str | None:
    """The run of which this is a fork."""
    return next((entry.body["source_id"] for entry in entries if entry.type is EntryType.RUN_FORKED), None)


async def task_of(records: Records, run: Run, key: str) -> TaskDetail:
    """One task of a run.

    Raises:
        NotFound: With the keys of the run's last tasks.
    """
    tasks = {task.key: task for task in projection.tasks(await entries_of(records, run))}
    if key not in tasks:
        raise NotFound("task", key, list(tasks)[-3:])
    return tasks[key]

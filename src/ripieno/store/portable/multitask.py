"""Start a run in a session in which others may not have ended: behind them, or in their place, or not at all.

Runs of a session form a chain: each knows the one that it waits for, and the one that waits for it. Only the first can
be claimed. Whoever ends leaves the chain, in `finish`; whoever starts joins it here, one after the other.
"""

from typing import NamedTuple

from ripieno.domain.errors import SessionBusy
from ripieno.domain.runs import Multitask, NewRun
from ripieno.store.portable.frame import Cancel, Frame, Work

KNOWN = "SELECT id FROM runs WHERE id = :id"

LIVE = "tenant = :tenant AND session_id = :session AND parent_id IS NULL AND ended_at IS NULL"

FIRST = f"SELECT id FROM runs WHERE {LIVE} ORDER BY created_at, id LIMIT 1"  # noqa: S608 - constants

LAST = f"SELECT id FROM runs WHERE {LIVE} AND next_id IS NULL ORDER BY created_at DESC, id DESC LIMIT 1"  # noqa: S608

STILL_LAST = "SELECT id FROM runs WHERE id = :id AND ended_at IS NULL AND next_id IS NULL FOR NO KEY UPDATE"

LOCK_ALL = f"SELECT id FROM runs WHERE {LIVE} ORDER BY id FOR NO KEY UPDATE"  # noqa: S608

SUPERSEDE = "UPDATE runs SET superseded = :how WHERE id = :id"

WAIT = "UPDATE runs SET after_id = :ahead WHERE id = :id"

FOLLOW = "UPDATE runs SET next_id = :id, updated_at = :now WHERE id = :ahead"

STOPS = frozenset({Multitask.INTERRUPT, Multitask.ROLLBACK})


class Started(NamedTuple):
    """Whether the run is new, and the children of those that were cancelled for it."""

    new: bool
    orphans: tuple[str, ...] = ()


def reason(run: NewRun) -> str:
    """Why a run was cancelled for this one."""
    return f"{run.multitask} by {run.id}"


def start(frame: Frame, run: NewRun) -> Work[Started]:
    """Start it as its `multitask` says. Raises `SessionBusy`."""
    yield from frame.guard(f"{run.tenant}/{run.session_id}")
    if (yield from frame.one(KNOWN, id=run.id)) is not None:
        return Started(new=False)
    orphans: list[str] = []
    if run.multitask in STOPS:
        orphans = yield from _stop(frame, run)
    elif run.multitask is Multitask.REJECT:
        busy = yield from frame.one(FIRST, tenant=run.tenant, session=run.session_id)
        if busy is not None:
            raise SessionBusy(run.session_id, busy["id"])
    ahead = yield from _last(frame, run)
    new = yield from frame.start(run)
    if ahead is not None:
        yield from frame.all(WAIT, id=run.id, ahead=ahead)
        yield from frame.all(FOLLOW, id=run.id, ahead=ahead, now=frame.now)
    return Started(new, tuple(orphans))


def _stop(frame: Frame, run: NewRun) -> Work[list[str]]:
    """Cancel all that go before; those that have a leg end when it obeys."""
    orphans: list[str] = []
    for row in (yield from frame.all(LOCK_ALL, tenant=run.tenant, session=run.session_id)):
        yield from frame.all(SUPERSEDE, id=row["id"], how=run.multitask)
        orphans += yield from frame.cancel(Cancel(run.tenant, row["id"], run.created_by, reason(run)))
    return orphans


def _last(frame: Frame, run: NewRun) -> Work[str | None]:
    """The run to wait for, locked: it cannot end before the new one is behind it."""
    while True:
        last = yield from frame.one(LAST, tenant=run.tenant, session=run.session_id)
        if last is None:
            return None
        if (yield from frame.one(STILL_LAST, id=last["id"])) is not None:
            return last["id"]

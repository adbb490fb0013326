"""Where a platform keeps things: the store that the settings name, and the master keys of secrets."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from ripieno.domain.errors import Invalid
from ripieno.governance.keyring import FileKeyring, GivenKeyring, Keyring, NoKeyring
from ripieno.integrations.brokers.opening import open_dispatch
from ripieno.ports import Clock, Dispatch, History, Journal, Records, Workers
from ripieno.server.replies import Replies
from ripieno.settings import Settings
from ripieno.store.artifacts import StoredArtifacts
from ripieno.store.dispatch_local import LocalDispatch
from ripieno.store.embedded import open_store
from ripieno.store.portable.frame import Frames
from ripieno.store.shelves import DatabaseShelf, FolderShelf, Shelf
from ripieno.store.workers_local import LocalWorkers


def nobody(url: str) -> None:
    """Announce a URL to nobody."""
    del url


@dataclass(frozen=True, slots=True)
class Stored:
    """What a store gives to the ports, whichever it is. `announce` tells other processes here where the platform is."""

    journal: Journal
    records: Records
    replies: Replies
    history: History
    dispatch: Dispatch
    frames: Frames
    workers: Workers
    announce: Callable[[str], None] = nobody


async def open_stored(settings: Settings, clock: Clock, stack: AsyncExitStack) -> Stored:
    """SQLite in the data folder, or PostgreSQL, with hints over the database itself or over a broker."""
    if settings.database_url is None:
        dispatch = LocalDispatch()
        embedded = await open_store(settings.data, clock, dispatch)
        stack.push_async_callback(embedded.close)
        return Stored(
            embedded.journal,
            embedded.records,
            embedded.replies,
            embedded.history,
            dispatch,
            embedded.frames,
            LocalWorkers(),
            embedded.announce,
        )
    try:
        from ripieno.store.postgres.opening import open_postgres  # noqa: PLC0415 - optional extra
    except ImportError:
        raise Invalid("PostgreSQL needs: pip install 'ripieno[postgres]'") from None
    broker = None
    if settings.dispatch_url is not None:
        broker = await stack.enter_async_context(open_dispatch(settings.dispatch_url.get_secret_value(), clock))
    pg = await open_postgres(settings.database_url.get_secret_value(), clock, dispatch=broker)
    stack.push_async_callback(pg.close)
    return Stored(pg.journal, pg.records, pg.replies, pg.history, pg.dispatch, pg.frames, pg.workers)


def stored_artifacts(settings: Settings, frames: Frames, clock: Clock) -> StoredArtifacts:
    """In the folder that the settings name, else in the data folder, else in the database that processes share."""
    own, shelves = settings.artifacts, dict[str, Shelf](database=DatabaseShelf(frames))
    folder = own.directory or (settings.data / "artifacts" if settings.database_url is None else None)
    if folder is not None:
        shelves["folder"] = FolderShelf(folder)
    return StoredArtifacts(frames, clock, shelves, "folder" if folder else "database", own.max_bytes)


def keyring(settings: Settings) -> Keyring:
    """Given keys, else a key file; in the data folder only where no other process needs the same keys."""
    own = settings.secrets
    if own.master_keys:
        return GivenKeyring([key.get_secret_value() for key in own.master_keys])
    if own.key_file is not None:
        return FileKeyring(own.key_file)
    return FileKeyring(settings.data / "keys" / "master") if settings.database_url is None else NoKeyring()

"""Secrets on every store: set, used, listed, forgotten, sealed anew, and never another tenant's."""

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ripieno.domain.errors import NotFound, SecretUnreadable
from ripieno.domain.principals import Principal
from ripieno.governance.envelope import EnvelopeCipher
from ripieno.governance.keyring import FileKeyring, GivenKeyring
from ripieno.ports import Secrets
from ripieno.store.dispatch_local import LocalDispatch
from ripieno.store.embedded import EmbeddedStore
from ripieno.store.portable.frame import Frame, Frames, Record, Work
from ripieno.store.postgres.opening import PostgresStore
from ripieno.store.secrets import StoredSecrets
from ripieno.testing.fake_clock import FakeClock
from ripieno.testing.memory_secrets import MemorySecrets
from tests.contracts.bed import STORES
from tests.servers import postgres

ALICE, MALLORY = Principal("alice", "acme"), Principal("mallory", "other")
OTHER_KEY = GivenKeyring(["other:" + base64.b64encode(bytes(32)).decode()])


@dataclass
class Safe:
    """Secrets of one kind; `frames` is the database below, if there is one."""

    secrets: Secrets
    clock: FakeClock
    frames: Frames | None = None


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=postgres.NEEDS)])
async def safe(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Safe]:
    clock = FakeClock()
    if request.param == "memory":
        yield Safe(MemorySecrets(clock), clock)
        return
    async with STORES[request.param](tmp_path / "data", clock, LocalDispatch()) as store:
        assert isinstance(store, EmbeddedStore | PostgresStore)
        cipher = EnvelopeCipher(FileKeyring(tmp_path / "keys" / "master"))
        yield Safe(StoredSecrets(store.frames, cipher), clock, store.frames)


def rows(frame: Frame) -> Work[list[Record]]:
    return (yield from frame.all("SELECT * FROM secrets ORDER BY tenant, name"))


def audit(frame: Frame) -> Work[list[Record]]:
    return (yield from frame.all("SELECT tenant, body FROM outbox WHERE type = 'audit' ORDER BY id"))


async def test_a_value_comes_back_and_can_be_changed(safe: Safe):
    first = await safe.secrets.put(ALICE, "github", "ghp_1")
    assert (first.name, first.tenant, first.version, first.created_by) == ("github", "acme", 1, "alice")
    assert await safe.secrets.value("acme", "github") == "ghp_1"
    safe.clock.advance(60)
    second = await safe.secrets.put(ALICE, "github", "ghp_2")
    assert (second.version, second.created_at) == (2, first.created_at)
    assert second.updated_at > first.updated_at
    assert await safe.secrets.value("acme", "github") == "ghp_2"
    assert await safe.secrets.info("acme", "github") == second


async def test_they_are_listed_by_name(safe: Safe):
    for name in ("zulu", "alpha"):
        await safe.secrets.put(ALICE, name, "value")
    assert [info.name for info in await safe.secrets.infos("acme")] == ["alpha", "zulu"]


async def test_another_tenants_are_not_there(safe: Safe):
    await safe.secrets.put(ALICE, "github", "ghp_1")
    await safe.secrets.put(MALLORY, "github", "theirs")
    assert await safe.secrets.value("acme", "github") == "ghp_1"
    await safe.secrets.delete(MALLORY, "github")
    assert await safe.secrets.infos("other") == []
    with pytest.raises(NotFound):
        await safe.secrets.value("other", "github")
    assert await safe.secrets.value("acme", "github") == "ghp_1"


async def test_what_is_not_there_is_told_with_near_names(safe: Safe):
    await safe.secrets.put(ALICE, "github", "ghp_1")
    for ask in (safe.secrets.value("acme", "gitub"), safe.secrets.info("acme", "gitub")):
        with pytest.raises(NotFound, match="did you mean github"):
            await ask
    with pytest.raises(NotFound):
        await safe.secrets.delete(ALICE, "gitub")


async def test_a_new_master_key_seals_all_tenants_secrets(safe: Safe):
    before = await safe.secrets.put(ALICE, "one", "value one")
    await safe.secrets.put(MALLORY, "two", "value two")
    assert await safe.secrets.rotate(ALICE) == 2
    after = await safe.secrets.info("acme", "one")
    assert (after.version, after.updated_at) == (before.version, before.updated_at)
    assert await safe.secrets.value("acme", "one") == "value one"
    assert await safe.secrets.value("other", "two") == "value two"
    if safe.frames is not None:
        assert {row["key_id"] for row in await safe.frames.read(rows)} == {after.key_id}
        assert after.key_id != before.key_id


@pytest.mark.parametrize("safe", ["sqlite", pytest.param("postgres", marks=postgres.NEEDS)], indirect=True)
async def test_the_database_alone_tells_nothing_and_the_trail_tells_who(safe: Safe):
    assert safe.frames is not None
    await safe.secrets.put(ALICE, "github", "ghp_secret_value")
    (row,) = await safe.frames.read(rows)
    assert "ghp_secret" not in row["sealed"]
    thief = StoredSecrets(safe.frames, EnvelopeCipher(OTHER_KEY))
    with pytest.raises(SecretUnreadable):
        await thief.value("acme", "github")
    with pytest.raises(SecretUnreadable):
        await thief.rotate(ALICE)
    await safe.secrets.rotate(ALICE)
    await safe.secrets.delete(ALICE, "github")
    told = [(row["tenant"], row.json("body")) for row in await safe.frames.read(audit)]
    assert told == [
        ("acme", {"action": "PUT_SECRET", "actor": "alice", "target": "github"}),
        ("acme", {"action": "ROTATE_SECRETS", "actor": "alice", "target": ""}),
        ("acme", {"action": "DELETE_SECRET", "actor": "alice", "target": "github"}),
    ]

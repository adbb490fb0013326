"""What administrators say about models, on every store: all or nothing, no change lost, never another tenant's."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ripieno.domain.errors import Conflict, NameTaken, NotFound
from ripieno.domain.model_documents import Deed, DocumentChange, DocumentKind
from ripieno.domain.outbox import AuditFilter
from ripieno.domain.principals import Principal
from ripieno.models.documents import Documents
from ripieno.store.dispatch_local import LocalDispatch
from ripieno.store.embedded import EmbeddedStore
from ripieno.store.model_documents import StoredModelDocuments
from ripieno.store.outbox import StoredOutbox
from ripieno.store.postgres.opening import PostgresStore
from ripieno.testing.fake_clock import FakeClock
from ripieno.testing.memory_model_documents import MemoryModelDocuments
from tests.contracts.bed import STORES
from tests.servers import postgres

ALICE, MALLORY = Principal("alice", "acme"), Principal("mallory", "other")
PROVIDER, MODEL, VERSION = DocumentKind.PROVIDER, DocumentKind.MODEL, DocumentKind.ROUTING_VERSION
DEED = Deed("CREATE_PROVIDER", "west")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=postgres.NEEDS)])
async def kept(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> AsyncIterator[Documents]:
    if request.param == "memory":
        yield MemoryModelDocuments(clock)
        return
    async with STORES[request.param](tmp_path / "data", clock, LocalDispatch()) as store:
        assert isinstance(store, EmbeddedStore | PostgresStore)
        yield StoredModelDocuments(store.frames)


def put(name: str, revision: int = 0, kind: DocumentKind = PROVIDER, **body: object) -> DocumentChange:
    return DocumentChange(kind, name, body, revision)


async def test_what_is_kept_comes_back(kept: Documents, clock: FakeClock):
    await kept.change(ALICE, [put("west", url="ü")], DEED)
    first = await kept.get("acme", PROVIDER, "west")
    assert (first.revision, first.body, first.created_by) == (1, {"url": "ü"}, "alice")
    clock.advance(60)
    await kept.change(ALICE, [put("west", 1, url="x")], DEED)
    second = await kept.get("acme", PROVIDER, "west")
    assert (second.revision, second.body, second.created_at) == (2, {"url": "x"}, first.created_at)
    assert second.updated_at > first.updated_at
    assert list(await kept.at_hand()) == [second]


async def test_another_mark_whenever_anything_is_different(kept: Documents, clock: FakeClock):
    seen: list[object] = []
    for revision, body in ((0, {"n": 1}), (1, {"n": 2}), (2, None), (0, {"n": 1})):
        await kept.change(ALICE, [DocumentChange(MODEL, "m", body, revision)], DEED)
        seen.append(tuple(await kept.marks()))
        clock.advance(1)
    assert len(set(seen)) == len(seen)


async def test_a_change_that_comes_too_late_changes_nothing(kept: Documents):
    await kept.change(ALICE, [put("west", n=1)], DEED)
    with pytest.raises(NameTaken):
        await kept.change(ALICE, [put("a"), put("west", n=2)], DEED)
    with pytest.raises(Conflict, match="meanwhile"):
        await kept.change(ALICE, [put("b"), put("west", 2, n=2)], DEED)
    assert [(one.name, one.body) for one in await kept.at_hand()] == [("west", {"n": 1})]


async def test_a_change_whose_answer_was_lost_may_be_made_again(kept: Documents):
    for change in (put("west", n=1), put("west", 1, n=2), DocumentChange(PROVIDER, "west", None, 2)):
        await kept.change(ALICE, [change], DEED)
        before = list(await kept.at_hand())
        await kept.change(ALICE, [change], DEED)
        assert list(await kept.at_hand()) == before


async def test_other_tenants_see_nothing_of_it(kept: Documents):
    await kept.change(ALICE, [put("west", n=1)], DEED)
    await kept.change(MALLORY, [put("west", n=2)], DEED)
    assert (await kept.get("acme", PROVIDER, "west")).body == {"n": 1}
    await kept.change(MALLORY, [DocumentChange(PROVIDER, "west", None, 1)], DEED)
    with pytest.raises(NotFound):
        await kept.get("other", PROVIDER, "west")
    assert [one.tenant for one in await kept.all("acme", PROVIDER, 10)] == ["acme"]
    assert not await kept.all("other", PROVIDER, 10)


async def test_versions_are_listed_newest_first_and_not_at_hand(kept: Documents, clock: FakeClock):
    for name in ("v1", "v2", "v3"):
        await kept.change(ALICE, [put(name, kind=VERSION)], DEED)
        clock.advance(1)
    assert [one.name for one in await kept.all("acme", VERSION, 2)] == ["v3", "v2"]
    assert not await kept.at_hand()
    assert not await kept.marks()


async def test_each_change_is_audited_once(kept: Documents):
    await kept.change(ALICE, [put("west"), put("m", kind=MODEL)], DEED)
    if isinstance(kept, MemoryModelDocuments):
        assert kept.deeds == [DEED]
        return
    assert isinstance(kept, StoredModelDocuments)
    outbox = StoredOutbox(kept._frames)
    (row,) = await outbox.audits("acme", AuditFilter(), 10)
    assert (row.action, row.actor, row.target) == ("CREATE_PROVIDER", "alice", "west")

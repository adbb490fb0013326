"""Imported APIs on every store: kept, changed, forgotten, and never another tenant's."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from ripieno.domain.apis import NewApi
from ripieno.domain.errors import NotFound
from ripieno.domain.principals import Principal
from ripieno.store.apis import StoredApis
from ripieno.store.dispatch_local import LocalDispatch
from ripieno.store.embedded import EmbeddedStore
from ripieno.store.postgres.opening import PostgresStore
from ripieno.testing.fake_clock import FakeClock
from ripieno.testing.memory_apis import MemoryApis
from ripieno.tools.openapi.imports import Apis
from tests.contracts.bed import STORES
from tests.servers import postgres

ALICE, BOB, MALLORY = Principal("alice", "acme"), Principal("bob", "acme"), Principal("mallory", "other")
PETS = NewApi("pets", "https://pets.test/openapi.json", '{"openapi": "3.1.0", "ü": "\\u0000"}', {"timeout": 5})


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=postgres.NEEDS)])
async def apis(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> AsyncIterator[Apis]:
    if request.param == "memory":
        yield MemoryApis(clock)
        return
    async with STORES[request.param](tmp_path / "data", clock, LocalDispatch()) as store:
        assert isinstance(store, EmbeddedStore | PostgresStore)
        yield StoredApis(store.frames)


async def test_what_is_kept_comes_back_byte_for_byte(apis: Apis):
    kept = await apis.put(ALICE, PETS)
    assert NewApi(kept.mark.name, kept.source, kept.document, kept.config) == PETS
    assert kept.created_by == "alice"
    assert await apis.get("acme", "pets") == kept
    assert list(await apis.marks()) == [kept.mark]


async def test_another_version_is_told_by_its_mark(apis: Apis, clock: FakeClock):
    first = await apis.put(ALICE, PETS)
    clock.advance(60)
    assert (await apis.put(BOB, PETS)).mark == first.mark
    others = [replace(PETS, config={}), replace(PETS, document="{}"), replace(PETS, source="")]
    marks = {(await apis.put(BOB, other)).mark for other in others}
    assert len(marks | {first.mark}) == 4
    last = await apis.get("acme", "pets")
    assert (last.created_by, last.created_at) == ("alice", first.created_at)
    assert last.updated_at > first.updated_at


async def test_tenants_have_their_own(apis: Apis):
    await apis.put(ALICE, PETS)
    await apis.put(MALLORY, replace(PETS, document="{}"))
    assert [mark.tenant for mark in await apis.marks()] == ["acme", "other"]
    await apis.delete(MALLORY, "pets")
    with pytest.raises(NotFound):
        await apis.get("other", "pets")
    assert (await apis.get("acme", "pets")).document == PETS.document


async def test_what_is_not_there_has_near_names(apis: Apis):
    await apis.put(ALICE, PETS)
    for attempt in (apis.get("acme", "pet"), apis.delete(ALICE, "pet")):
        with pytest.raises(NotFound) as caught:
            await attempt
        assert "pets" in str(caught.value)

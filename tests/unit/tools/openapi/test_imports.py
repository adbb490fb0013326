"""Imports in several processes: one imports, the others follow; what is broken harms no other."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from ripieno.domain.apis import ApiMark, NewApi
from ripieno.domain.errors import Invalid, NotFound, StoreBusy
from ripieno.domain.principals import Principal
from ripieno.ports import Toolset
from ripieno.testing.fake_clock import FakeClock
from ripieno.testing.memory_apis import MemoryApis
from ripieno.testing.memory_secrets import MemorySecrets
from ripieno.tools import schemas
from ripieno.tools.openapi.clients import ApiClients, Domains
from ripieno.tools.openapi.fetching import Sources
from ripieno.tools.openapi.imports import POLL_SECONDS, ImportedApis, Order
from ripieno.tools.openapi.making import Maker
from ripieno.tools.openapi.toolset import Means
from tests.unit.tools.openapi.described import document

ALICE, MALLORY = Principal("alice", "acme"), Principal("mallory", "other")
PETS = Order(document=document({"/pets": {"get": {"operationId": "list"}}}), name="pets")


class Away(MemoryApis):
    """A database that goes away."""

    away = False

    async def marks(self) -> Sequence[ApiMark]:
        if self.away:
            raise StoreBusy("away")
        return await super().marks()


def same(toolset: Toolset) -> Toolset:
    return toolset


def process(
    kept: MemoryApis, clock: FakeClock, folder: Path = Path("config"), taken: tuple[str, ...] = ()
) -> ImportedApis:
    clients = ApiClients(Domains())
    maker = Maker(clients.of, Means(MemorySecrets(clock), clock, schemas.check))
    return ImportedApis(kept, maker, Sources(clients.fetching, folder), taken, same)


def names(apis: ImportedApis, tenant: str = "acme") -> list[str]:
    return [spec.name for spec in apis.specs(tenant)]


async def test_what_one_process_imports_another_has_soon():
    clock = FakeClock()
    kept = MemoryApis(clock)
    one, other = process(kept, clock), process(kept, clock)
    async with other.watched(clock):
        await one.bring(ALICE, PETS)
        assert (names(one), names(other)) == (["pets.list"], [])
        async with asyncio.timeout(20):
            while not names(other):
                clock.advance(POLL_SECONDS)
                await asyncio.sleep(0.01)
        assert other.toolset("acme", "pets") is not None
        before = other.specs("acme")
        await other.refresh()
        assert other.specs("acme") is before
        await one.delete(ALICE, "pets")
        await other.refresh()
        assert (names(other), other.toolset("acme", "pets")) == ([], None)


async def test_tenants_see_their_own_alone():
    clock = FakeClock()
    apis = process(MemoryApis(clock), clock)
    await apis.bring(ALICE, PETS)
    assert names(apis, "other") == []
    assert apis.toolset("other", "pets") is None
    with pytest.raises(NotFound):
        await apis.get("other", "pets")
    with pytest.raises(NotFound):
        await apis.delete(MALLORY, "pets")


async def test_what_can_no_longer_be_loaded_is_told_and_harms_no_other(caplog: pytest.LogCaptureFixture):
    clock = FakeClock()
    kept = MemoryApis(clock)
    await process(kept, clock).bring(ALICE, PETS)
    await kept.put(ALICE, NewApi("broken", "", "{}", {}))
    apis = process(kept, clock)
    await apis.refresh()
    await apis.refresh()
    assert names(apis) == ["pets.list"]
    assert caplog.text.count("broken cannot be loaded") == 1
    _, tools, problems = await apis.get("acme", "broken")
    assert (tools, "names no version" in problems[0].detail) == ((), True)
    done = await apis.bring(ALICE, Order(document=PETS.document, name="broken"))
    assert list(done.difference.added) == ["broken.list"]
    assert names(apis) == ["broken.list", "pets.list"]


async def test_a_name_that_another_toolset_took_meanwhile_is_not_loaded():
    clock = FakeClock()
    kept = MemoryApis(clock)
    await process(kept, clock).bring(ALICE, PETS)
    apis = process(kept, clock, taken=("pets",))
    await apis.refresh()
    assert names(apis) == []


async def test_files_come_from_the_config_folder_alone(tmp_path: Path):
    clock = FakeClock()
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "pets.yaml").write_text(
        "openapi: 3.1.0\ninfo: {title: P}\nservers: [{url: 'https://a.test'}]\npaths: {/x: {get: {}}}"
    )
    (tmp_path / "outside.yaml").write_text("openapi: 3.1.0")
    (folder / "link.yaml").symlink_to(tmp_path / "outside.yaml")
    apis = process(MemoryApis(clock), clock, folder)
    assert (await apis.bring(ALICE, Order(file="pets.yaml"))).toolset == "p"
    for file in ("link.yaml", "../outside.yaml", str(tmp_path / "outside.yaml"), "."):
        with pytest.raises(Invalid):
            await apis.bring(ALICE, Order(file=file, name="x"))


async def test_a_database_that_is_away_is_looked_up_again(caplog: pytest.LogCaptureFixture):
    clock = FakeClock()
    kept = Away(clock)
    apis = process(kept, clock)
    async with apis.watched(clock):
        kept.away = True
        async with asyncio.timeout(20):
            while "cannot be looked up" not in caplog.text:
                clock.advance(POLL_SECONDS)
                await asyncio.sleep(0.01)
        kept.away = False
        await process(kept, clock).bring(ALICE, PETS)
        async with asyncio.timeout(20):
            while not names(apis):
                clock.advance(POLL_SECONDS)
                await asyncio.sleep(0.01)

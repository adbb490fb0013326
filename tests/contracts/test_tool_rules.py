"""What is said about tools on every store: kept, changed, forgotten, audited, and of one tenant alone."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ripieno.domain.errors import NotFound
from ripieno.domain.principals import Principal
from ripieno.domain.tool_rules import ToolRule
from ripieno.domain.tools import Risk
from ripieno.store.dispatch_local import LocalDispatch
from ripieno.store.embedded import EmbeddedStore
from ripieno.store.postgres.opening import PostgresStore
from ripieno.store.tool_rules import StoredToolRules
from ripieno.testing.fake_clock import FakeClock
from ripieno.testing.memory_tool_rules import MemoryToolRules
from ripieno.tools.rules import KeptRules
from tests.contracts.bed import STORES
from tests.servers import postgres

ALICE, MALLORY = Principal("alice", "acme"), Principal("mallory", "other")
SLOW = ToolRule(per_minute=5, timeout=1.5, enabled=False, risk=Risk.HIGH)


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=postgres.NEEDS)])
async def rules(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[KeptRules]:
    clock = FakeClock()
    if request.param == "memory":
        yield MemoryToolRules(clock)
        return
    async with STORES[request.param](tmp_path / "data", clock, LocalDispatch()) as store:
        assert isinstance(store, EmbeddedStore | PostgresStore)
        yield StoredToolRules(store.frames)


async def test_what_is_said_comes_back(rules: KeptRules):
    kept = await rules.put(ALICE, "shop.pay", SLOW)
    assert (kept.rule, kept.updated_by) == (SLOW, "alice")
    assert list(await rules.all()) == [kept]


async def test_a_later_word_stands_in_place_of_the_first(rules: KeptRules):
    await rules.put(ALICE, "shop", SLOW)
    await rules.put(ALICE, "shop", ToolRule(attempts=3))
    assert [kept.rule for kept in await rules.all()] == [ToolRule(attempts=3)]


async def test_tenants_have_their_own(rules: KeptRules):
    await rules.put(ALICE, "shop", SLOW)
    with pytest.raises(NotFound):
        await rules.delete(MALLORY, "shop")
    await rules.put(MALLORY, "shop", ToolRule())
    await rules.delete(MALLORY, "shop")
    assert [kept.tenant for kept in await rules.all()] == ["acme"]

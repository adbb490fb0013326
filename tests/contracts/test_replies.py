"""Replies: the first answer under a key, for a day."""

import asyncio

from ripieno.domain.replies import StoredReply
from tests.contracts.bed import Bed

DONE = StoredReply("hash", "run_1", 201, {"Location": "/v1/runs/run_1"}, '{"ä": 1}')


async def test_new_key_is_reserved_and_then_answered(bed: Bed):
    assert await bed.replies.begin("POST /runs", "k", "hash", "run_1") is None
    assert await bed.replies.begin("POST /runs", "k", "other", "run_2") == StoredReply("hash", "run_1")
    await bed.replies.complete("POST /runs", "k", DONE)
    assert await bed.replies.begin("POST /runs", "k", "hash", "run_3") == DONE


async def test_scopes_and_keys_are_apart(bed: Bed):
    await bed.replies.begin("a", "k", "hash", "run_1")
    assert await bed.replies.begin("b", "k", "hash", "run_2") is None
    assert await bed.replies.begin("a", "l", "hash", "run_3") is None


async def test_forgotten_key_is_free(bed: Bed):
    await bed.replies.begin("a", "k", "hash", "run_1")
    await bed.replies.forget("a", "k")
    assert await bed.replies.begin("a", "k", "other", "run_2") is None


async def test_keys_are_kept_for_a_day(bed: Bed):
    await bed.replies.begin("a", "k", "hash", "run_1")
    await bed.replies.complete("a", "k", DONE)
    bed.clock.advance(86_399)
    assert await bed.replies.begin("a", "k", "hash", "run_2") == DONE
    bed.clock.advance(1)
    assert await bed.replies.begin("a", "k", "hash", "run_3") is None


async def test_of_many_at_once_one_begins(bed: Bed):
    begun = await asyncio.gather(*(bed.replies.begin("a", "k", "hash", f"run_{index}") for index in range(50)))
    assert begun.count(None) == 1
    first = StoredReply("hash", f"run_{begun.index(None)}")
    assert all(reply in (None, first) for reply in begun)


async def test_completing_or_forgetting_what_is_not_there_is_harmless(bed: Bed):
    await bed.replies.complete("a", "k", DONE)
    await bed.replies.forget("a", "k")
    assert await bed.replies.begin("a", "k", "hash", "run_1") is None

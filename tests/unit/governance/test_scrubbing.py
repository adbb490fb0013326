"""Known values are taken out of whatever passes."""

from ripieno.domain.principals import Principal
from ripieno.governance.scrubbing import Scrubber, WatchedSecrets
from ripieno.testing.fake_clock import FakeClock
from ripieno.testing.memory_secrets import MemorySecrets


def scrubber(**known: str) -> Scrubber:
    made = Scrubber()
    for name, value in known.items():
        made.learn(name, value)
    return made


def test_values_become_their_names():
    clean = scrubber(github="ghp_abc123", db="hunter2!")
    assert clean.text("with ghp_abc123 and hunter2!.") == "with [secret:github] and [secret:db]."


def test_one_value_within_another_does_not_leave_a_rest():
    assert scrubber(short="abcdef", long="abcdefghij").text("abcdefghij") == "[secret:long]"


def test_patterns_mean_themselves():
    assert scrubber(dotted="a.b.c.d").text("axbxcxd a.b.c.d") == "axbxcxd [secret:dotted]"


def test_json_of_any_depth():
    value = {"hunter2!": ["x hunter2!", 1, None, {"n": ("hunter2!", True)}]}
    clean = scrubber(db="hunter2!")
    assert clean.value(value) == {"[secret:db]": ["x [secret:db]", 1, None, {"n": ["[secret:db]", True]}]}


def test_nothing_known_changes_nothing():
    value = {"a": [1]}
    assert Scrubber().value(value) is value
    assert Scrubber().text("abc") == "abc"
    assert scrubber(short="abc").text("abc") == "abc", "too short to be told from words"


async def test_values_that_are_handed_out_or_given_are_known():
    kept, clean, alice = MemorySecrets(FakeClock()), Scrubber(), Principal("alice")
    await kept.put(alice, "old", "was there before")
    watched = WatchedSecrets(kept, clean)
    await watched.put(alice, "new", "just put in")
    assert clean.text("was there before, just put in") == "was there before, [secret:new]"
    assert await watched.value("default", "old") == "was there before"
    assert clean.text("was there before, just put in") == "[secret:old], [secret:new]"


async def test_the_rest_is_as_it_is_below():
    kept, alice = MemorySecrets(FakeClock()), Principal("alice")
    watched = WatchedSecrets(kept, Scrubber())
    put = await watched.put(alice, "key", "value")
    assert await watched.info("default", "key") == put
    assert await watched.infos("default") == [put]
    assert await watched.rotate(alice) == 1
    await watched.delete(alice, "key")
    assert await kept.infos("default") == []

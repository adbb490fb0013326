"""The URL names the broker; what it cannot name is refused with a sentence that helps."""

import sys

import pytest

from ripieno.clock import SystemClock
from ripieno.domain.errors import Invalid
from ripieno.integrations.brokers.link import FastStreamLink
from ripieno.integrations.brokers.opening import link_to, open_dispatch


@pytest.mark.parametrize(
    ("url", "name", "deltas"),
    [
        ("amqp://user:secret@queue:5672/vhost", "amqp://queue:5672", True),
        ("amqps://queue", "amqps://queue", True),
        ("redis://:secret@cache:6379/0#staging", "redis://cache:6379", True),
        ("rediss://[::1]:6379", "rediss://[::1]:6379", True),
        ("nats://user:secret@a:4222,user:secret@b:4222", "nats://a:4222,b:4222", True),
        ("kafka://a:9092,b:9092", "kafka://a:9092,b:9092", False),
    ],
)
def test_known_schemes_open_a_link_whose_name_has_no_password(url: str, name: str, deltas: bool):
    link = link_to(url)
    assert (link.name, link.carries_deltas) == (name, deltas)


@pytest.mark.parametrize(
    ("url", "channel"), [("kafka://a:9092", "ripieno.hints"), ("nats://a#staging", "staging"), ("amqp://a#b", "b")]
)
def test_channel_stands_after_the_hash(url: str, channel: str):
    link = link_to(url)
    assert isinstance(link, FastStreamLink)
    assert channel in link.wire.args  # pyright: ignore[reportFunctionMemberAccess] (a partial)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        (
            "smtp://host",
            "dispatch_url begins with smtp://; it can be amqp://, amqps://, redis://, rediss://, nats://, kafka://",
        ),
        ("localhost", "dispatch_url begins with nothing://"),
        ("", "dispatch_url begins with nothing://"),
        ("redis://", "dispatch_url must look like redis://host:port"),
        ("redis:///0", "dispatch_url must look like redis://host:port"),
        ("nats://a:4222,:4222", "dispatch_url must look like nats://host:port"),
        ("amqp://host:port", "dispatch_url must look like amqp://host:port"),
        ("kafka://host:99999", "dispatch_url must look like kafka://host:port"),
        ("amqp://host:0", "dispatch_url must look like amqp://host:port"),
        ("redis://[::1", "dispatch_url cannot be read: Invalid IPv6 URL"),
    ],
)
async def test_other_urls_are_refused(url: str, sentence: str):
    with pytest.raises(Invalid) as refused:
        async with open_dispatch(url, SystemClock()):
            pass
    assert refused.value.detail.startswith(sentence)


@pytest.mark.parametrize(
    ("url", "module", "extra"),
    [
        ("amqp://h", "rabbitmq", "rabbitmq"),
        ("rediss://h", "redis", "redis"),
        ("nats://h", "nats", "nats"),
        ("kafka://h", "kafka", "kafka"),
    ],
)
def test_missing_library_is_named(url: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch):
    import ripieno.integrations.brokers as package

    monkeypatch.delattr(package, module, raising=False)
    monkeypatch.setitem(sys.modules, f"ripieno.integrations.brokers.{module}", None)
    with pytest.raises(Invalid) as refused:
        link_to(url)
    assert refused.value.detail.endswith(f"needs: pip install 'ripieno[{extra}]'")

"""Hints over Redis: pub/sub, one channel.

Not a stream: a stream keeps what it was given, wants trimming, and remembers for each consumer what it has not
confirmed, dead ones included. A subscriber that is away has no use for old hints, and pub/sub forgets them for it.
"""

from faststream.redis import PubSub, RedisBroker

from ripieno.integrations.brokers.link import Hear, Send, untouched


def wire(url: str, channel: str, hear: Hear) -> tuple[RedisBroker, Send]:
    """Make the broker, unstarted, and what sends through it."""
    broker = RedisBroker(
        url,
        logger=None,  # pyright: ignore[reportArgumentType] (means silence, as for the other brokers; the type forgot it)
        apply_types=False,
        decoder=untouched,
        graceful_timeout=1.0,
    )

    @broker.subscriber(channel=PubSub(channel))
    async def listen(frame: bytes) -> None:
        hear(frame)

    async def send(frame: bytes) -> None:
        await broker.publish(frame, channel)

    return broker, send

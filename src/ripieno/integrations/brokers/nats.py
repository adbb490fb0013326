"""Hints over NATS: core publish and subscribe on one subject.

Not JetStream: it would store each hint, and a process that comes back would first be given what polling has found.
"""

from faststream.nats import NatsBroker

from ripieno.integrations.brokers.link import Hear, Send, untouched


def wire(servers: list[str], subject: str, hear: Hear) -> tuple[NatsBroker, Send]:
    """Make the broker, unstarted, and what sends through it."""
    broker = NatsBroker(
        servers, logger=None, apply_types=False, decoder=untouched, graceful_timeout=1.0, allow_reconnect=False
    )

    @broker.subscriber(subject)
    async def listen(frame: bytes) -> None:
        hear(frame)

    async def send(frame: bytes) -> None:
        await broker.publish(frame, subject)

    return broker, send

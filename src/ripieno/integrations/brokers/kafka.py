"""Hints over Kafka: one topic, which every process reads from its end, without a group.

Kafka writes all it is given to disk and keeps it for the topic's retention, so pieces of answers do not travel here:
live views on other nodes show an answer when it is complete. Give the topic a short retention.
"""

import logging

from faststream.kafka import KafkaBroker

from ripieno.integrations.brokers.link import Hear, Send, untouched

logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it logs each attempt to come back; the dispatch says it once


def wire(servers: list[str], topic: str, hear: Hear) -> tuple[KafkaBroker, Send]:
    """Make the broker, unstarted, and what sends through it."""
    broker = KafkaBroker(servers, logger=None, apply_types=False, decoder=untouched, graceful_timeout=1.0)

    @broker.subscriber(topic, group_id=None, auto_offset_reset="latest")
    async def listen(frame: bytes) -> None:
        hear(frame)

    async def send(frame: bytes) -> None:
        await broker.publish(frame, topic)

    return broker, send

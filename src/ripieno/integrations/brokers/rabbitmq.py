"""Hints over RabbitMQ: a fanout exchange, and for each process a queue that dies with its connection.

The queue is classic, not quorum: a quorum queue writes each message to the disks of several nodes, and a hint is
worthless after the seconds in which polling finds the same. So it is kept in memory, for two seconds, and only so many.
"""

import logging

from faststream import AckPolicy
from faststream.rabbit import ExchangeType, RabbitBroker, RabbitExchange, RabbitQueue
from faststream.rabbit.schemas.queue import ClassicQueueArgs

from ripieno.integrations.brokers.link import Hear, Send, untouched

LIMITS: ClassicQueueArgs = {"x-message-ttl": 2_000, "x-max-length": 10_000}

for chatty in ("aio_pika", "aiormq"):
    logging.getLogger(chatty).setLevel(
        logging.CRITICAL
    )  # they log each attempt to come back; the dispatch says it once


def wire(url: str, channel: str, hear: Hear) -> tuple[RabbitBroker, Send]:
    """Make the broker, unstarted, and what sends through it. `channel` names the exchange."""
    broker = RabbitBroker(url, logger=None, apply_types=False, decoder=untouched, graceful_timeout=1.0)
    exchange = RabbitExchange(channel, type=ExchangeType.FANOUT, durable=False, auto_delete=True)
    queue = RabbitQueue("", durable=False, exclusive=True, auto_delete=True, arguments=LIMITS)

    @broker.subscriber(queue, exchange, ack_policy=AckPolicy.ACK_FIRST)
    async def listen(frame: bytes) -> None:
        hear(frame)

    async def send(frame: bytes) -> None:
        await broker.publish(frame, exchange=exchange, mandatory=False)

    return broker, send

"""Opens a dispatch by URL: the scheme names the broker, what stands after `#` the channel."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from urllib.parse import SplitResult, urlsplit

from ripieno.domain.errors import Invalid
from ripieno.integrations.brokers.dispatch import BrokerDispatch
from ripieno.integrations.brokers.link import FastStreamLink, Link
from ripieno.ports import Clock
from ripieno.store.dispatch_local import LocalDispatch

CHANNEL = "ripieno.hints"


@asynccontextmanager
async def open_dispatch(url: str, clock: Clock) -> AsyncGenerator[BrokerDispatch]:
    """Dispatch through the broker at `url` until the block ends. A broker that is away is no error: it is waited for.

    URLs are `amqp://` and `amqps://` (RabbitMQ), `redis://` and `rediss://`, `nats://`, and `kafka://`; the last two
    take several `host:port`, with commas. Installations that share a broker go by a name after `#`.

    Raises:
        Invalid: The URL names no broker that Ripieno knows, or its library is not installed.
    """
    dispatch = BrokerDispatch(LocalDispatch(), link_to(url), clock)
    async with dispatch.carrying():
        yield dispatch


def link_to(url: str) -> Link:
    """Choose the link for a URL. Raises `Invalid`, see `open_dispatch`."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise Invalid(f"dispatch_url cannot be read: {error}") from None
    known = LINKS.get(parts.scheme)
    if known is None:
        schemes = ", ".join(f"{scheme}://" for scheme in LINKS)
        raise Invalid(f"dispatch_url begins with {parts.scheme or 'nothing'}://; it can be {schemes}")
    if not all(_reachable(server) for server in parts.netloc.split(",")):
        raise Invalid(f"dispatch_url must look like {parts.scheme}://host:port")
    extra, make = known
    try:
        return make(parts, parts.fragment or CHANNEL)
    except ImportError:
        raise Invalid(f"dispatch over {parts.scheme}:// needs: pip install 'ripieno[{extra}]'") from None


def _rabbitmq(parts: SplitResult, channel: str) -> Link:
    from ripieno.integrations.brokers import rabbitmq  # noqa: PLC0415 (optional extra)

    return FastStreamLink(_name(parts), partial(rabbitmq.wire, _whole(parts), channel))


def _redis(parts: SplitResult, channel: str) -> Link:
    from ripieno.integrations.brokers import redis  # noqa: PLC0415 (optional extra)

    return FastStreamLink(_name(parts), partial(redis.wire, _whole(parts), channel))


def _nats(parts: SplitResult, channel: str) -> Link:
    from ripieno.integrations.brokers import nats  # noqa: PLC0415 (optional extra)

    servers = [f"nats://{server}" for server in parts.netloc.split(",")]
    return FastStreamLink(_name(parts), partial(nats.wire, servers, channel))


def _kafka(parts: SplitResult, channel: str) -> Link:
    from ripieno.integrations.brokers import kafka  # noqa: PLC0415 (optional extra)

    return FastStreamLink(_name(parts), partial(kafka.wire, parts.netloc.split(","), channel), carries_deltas=False)


LINKS: dict[str, tuple[str, Callable[[SplitResult, str], Link]]] = {
    "amqp": ("rabbitmq", _rabbitmq),
    "amqps": ("rabbitmq", _rabbitmq),
    "redis": ("redis", _redis),
    "rediss": ("redis", _redis),
    "nats": ("nats", _nats),
    "kafka": ("kafka", _kafka),
}
"""By scheme: the extra that brings the library, and what makes the link."""


def _reachable(server: str) -> bool:
    """Whether `[user:password@]host[:port]` names a host, and a port that can be one."""
    try:
        parts = urlsplit(f"//{server}")
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _whole(parts: SplitResult) -> str:
    return parts._replace(fragment="").geturl()


def _name(parts: SplitResult) -> str:
    servers = ",".join(server.rpartition("@")[2] for server in parts.netloc.split(","))
    return f"{parts.scheme}://{servers}"

"""Private brokers on free ports in a folder of their own, which tests may kill and start again on the same port.

async def test_it(brokers: Brokers):
    server = brokers("redis")
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import pytest

START_SECONDS = 60
RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
"""The server itself: on Debian, the one on the path becomes another user and keeps its data elsewhere."""


@dataclass
class BrokerServer:
    """One server process (and what it starts). `url` is good also while it is down."""

    url: str
    port: int
    command: list[str]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return when it listens."""
        with (self.folder / "output").open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        give_up = time.monotonic() + START_SECONDS
        while not listening(self.port):
            if self.process.poll() is not None or time.monotonic() > give_up:
                self.kill()
                raise RuntimeError(f"{self.command[0]} did not start:\n{(self.folder / 'output').read_text()[-2000:]}")
            time.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL, and with it everything that it started."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


Brokers: TypeAlias = Callable[[str], BrokerServer]

REAL = [
    pytest.param("redis", marks=pytest.mark.needs("redis-server")),
    pytest.param("nats", marks=pytest.mark.needs("nats-server")),
    pytest.param("rabbitmq", marks=pytest.mark.needs("rabbitmq-server")),
]
"""For `parametrize`: the brokers that can be had on a Debian system. Kafka cannot."""


@pytest.fixture(scope="session")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brokers]:
    """Gives a broker by name, running; each is started when it is first asked for, and again when a test killed it."""
    made: dict[str, BrokerServer] = {}
    beside: list[BrokerServer] = []

    def give(kind: str) -> BrokerServer:
        if kind not in made:
            made[kind] = KINDS[kind](tmp_path_factory.mktemp(kind))
            if kind == "rabbitmq":
                beside.append(epmd(made[kind]))
                beside[0].start()
        if made[kind].process is None:
            made[kind].start()
        return made[kind]

    yield give
    for server in (*made.values(), *beside):
        server.kill()


def redis(folder: Path) -> BrokerServer:
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    return BrokerServer(f"redis://127.0.0.1:{port}", port, command, folder)


def nats(folder: Path) -> BrokerServer:
    port = free_port()
    return BrokerServer(f"nats://127.0.0.1:{port}", port, ["nats-server", "-a", "127.0.0.1", "-p", str(port)], folder)


def rabbitmq(folder: Path) -> BrokerServer:
    """With a node name, a cookie and data of its own; `epmd` of its own is on another port: see `epmd`."""
    port = free_port()
    settings = folder / "rabbitmq.conf"
    settings.write_text(f"listeners.tcp.1 = 127.0.0.1:{port}\n")
    (folder / "plugins").write_text("[].\n")
    environment = {
        "HOME": str(folder),
        "ERL_EPMD_PORT": str(free_port()),
        "RABBITMQ_NODENAME": f"ripieno{port}@localhost",
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_CONFIG_FILE": str(settings),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "logs"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
    }
    return BrokerServer(
        f"amqp://guest:guest@127.0.0.1:{port}/",
        port,
        [str(RABBITMQ if RABBITMQ.exists() else RABBITMQ.name)],
        folder,
        environment,
    )


KINDS: Mapping[str, Callable[[Path], BrokerServer]] = {"redis": redis, "nats": nats, "rabbitmq": rabbitmq}


def epmd(server: BrokerServer) -> BrokerServer:
    """The name server that the Erlang node of a RabbitMQ needs. Erlang would start one that nobody stops."""
    port = int(server.environment["ERL_EPMD_PORT"])
    return BrokerServer("", port, ["epmd", "-port", str(port), "-address", "127.0.0.1"], server.folder)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0

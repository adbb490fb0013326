"""How code in a sandbox may reach the network: through a proxy that somebody opens for it, and nothing else."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol


class WayOut(Protocol):
    """Opens an HTTP proxy for one job."""

    def opened(self) -> AbstractAsyncContextManager[Path]:
        """The socket that it listens on, for as long as the block lasts."""
        ...

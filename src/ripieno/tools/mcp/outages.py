"""How a server can be missing."""

from ripieno.domain.errors import ToolUnavailable


class ServerDown(ToolUnavailable):
    """The server is not there; nothing was sent."""


class ServerLost(ToolUnavailable):
    """The server was lost during the call; nobody knows how far it came."""

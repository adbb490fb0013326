"""The server that a provider's requests go to."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit


@dataclass(frozen=True, slots=True)
class Server:
    """Whose answers these are, and where they come from. Its `secrets` never stand in an error or an answer."""

    provider: str
    url: str
    api_key: str = field(default="", repr=False)
    more_secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What nobody may read."""
        return tuple(each for each in (self.api_key, *self.more_secrets) if each)

    @property
    def address(self) -> str:
        """The URL without any login."""
        parts = urlsplit(self.url)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))

    @property
    def host(self) -> str:
        """The name of the machine."""
        return urlsplit(self.url).hostname or ""

"""Who is asking."""

from dataclasses import dataclass

DEFAULT_TENANT = "default"


@dataclass(frozen=True, slots=True)
class Principal:
    """A person or program with a name, in one tenant. `id` is what records and audits show."""

    id: str
    tenant: str = DEFAULT_TENANT
    roles: tuple[str, ...] = ()


SYSTEM = Principal("system")

ANYBODY = "local"
"""The name of whoever calls without a key, where none is needed."""

"""Identifiers: a prefix that tells the kind, then a UUIDv7, so that ids sort by time.

Nothing here reads a clock or draws random bytes: `ports.Clock.new_id` does and calls `compose`.
"""

import hashlib
import uuid

NAMESPACE = uuid.UUID("5f2b7f86-0d6e-5c1e-9b0a-6f8f3d1c7a11")

RUN = "run"
SESSION = "ses"
APPROVAL = "apr"
WORKER = "wrk"
SCHEDULE = "sch"
MESSAGE = "msg"
CHUNK = "chk"
EVENT = "evt"
BLOB = "blb"
ARTIFACT = "art"


def compose(prefix: str, at_ms: int, entropy: bytes) -> str:
    """Build an id from a Unix time in milliseconds and ten bytes of entropy (RFC 9562, version 7)."""
    value = (at_ms & ((1 << 48) - 1)) << 80 | int.from_bytes(entropy[:10], "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return f"{prefix}_{value:032x}"


def milliseconds(identifier: str) -> int:
    """Return the Unix time in milliseconds at which an id was composed."""
    return int(identifier.rpartition("_")[2][:12], 16)


def derive(prefix: str, parent_id: str, key: str) -> str:
    """Build the one id that belongs to (parent, key), with the parent's time at its front."""
    return compose(prefix, milliseconds(parent_id), hashlib.sha256(f"{parent_id}\0{key}".encode()).digest())


def session_of(run_id: str) -> str:
    """Return the id of the session that a run opens for itself."""
    return derive(SESSION, run_id, "session")


def named(prefix: str, *names: str) -> str:
    """Build the one id that belongs to a name; it has no time."""
    return compose(prefix, 0, hashlib.sha256("\0".join(names).encode()).digest())


def idempotency_key(run_id: str, key: str) -> str:
    """Return the key under which every attempt of one effect is sent to the outside."""
    return str(uuid.uuid5(NAMESPACE, f"{run_id}\0{key}"))

"""Master keys: where they come from, and which one is the current.

Without them no secret can be opened, so losing them loses the secrets: keep a copy apart from the database. A line of
the key file is `ID:BASE64`, the current key first; older ones stay below it, because backups may hold what they sealed.
"""

import base64
import binascii
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ripieno.domain.errors import Invalid, Problem, SecretsLocked

KEY_BYTES = 32


class Keyring(Protocol):
    """Master keys by id."""

    def current(self) -> tuple[str, bytes]:
        """The key that seals. Raises `SecretsLocked`."""
        ...

    def key(self, key_id: str) -> bytes | None:
        """A key that may open something; None where it is not there. Raises `SecretsLocked`."""
        ...

    def renew(self) -> None:
        """Put a new key first, where keys are made here."""
        ...


class GivenKeyring:
    """Keys from the settings, the current one first. Putting a new one first is the operator's doing."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Take `ID:BASE64` or plain `BASE64` keys. Raises `Invalid`."""
        self._keys = dict(_parsed(text, f"/secrets/master_keys/{n}") for n, text in enumerate(keys))
        self._first = next(iter(self._keys))

    def current(self) -> tuple[str, bytes]:
        """See `Keyring`."""
        return self._first, self._keys[self._first]

    def key(self, key_id: str) -> bytes | None:
        """See `Keyring`."""
        return self._keys.get(key_id)

    def renew(self) -> None:
        """See `Keyring`."""


class FileKeyring:
    """Keys in a file that this user alone may read; it is made, with one key, when the first secret is sealed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys: dict[str, bytes] = {}

    def current(self) -> tuple[str, bytes]:
        """See `Keyring`."""
        if not self._read():
            self.renew()
        first = next(iter(self._keys))
        return first, self._keys[first]

    def key(self, key_id: str) -> bytes | None:
        """See `Keyring`."""
        if key_id not in self._keys:
            self._read()
        return self._keys.get(key_id)

    def renew(self) -> None:
        """See `Keyring`."""
        self._read()
        fresh = os.urandom(KEY_BYTES)
        keys = {_fingerprint(fresh): fresh, **self._keys}
        self._write(keys)
        self._keys = keys

    def _read(self) -> bool:
        try:
            lines = self._path.read_text().split()
        except FileNotFoundError:
            return False
        except (OSError, UnicodeDecodeError) as error:
            raise SecretsLocked(f"the key file {self._path} cannot be read: {error}") from None
        if self._path.stat().st_mode & 0o077:
            raise SecretsLocked(f"the key file {self._path} is open to other users; chmod 600 it")
        self._keys = dict(_parsed(line, "/secrets/key_file") for line in lines)
        return bool(self._keys)

    def _write(self, keys: dict[str, bytes]) -> None:
        """Whole or not at all: a half-written key file would lose every secret."""
        text = "".join(f"{key_id}:{base64.b64encode(key).decode()}\n" for key_id, key in keys.items())
        new = self._path.with_name(f".{self._path.name}.new")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            new.unlink(missing_ok=True)
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._path)
        except OSError as error:
            raise SecretsLocked(f"the key file {self._path} cannot be written: {error}") from None


class NoKeyring:
    """No keys: processes that share a database must share them, and nobody has said which."""

    def current(self) -> tuple[str, bytes]:
        """See `Keyring`."""
        raise SecretsLocked("set secrets.master_keys or secrets.key_file to what all processes of this database share")

    def key(self, key_id: str) -> bytes | None:
        """See `Keyring`."""
        del key_id
        self.current()

    def renew(self) -> None:
        """See `Keyring`."""
        self.current()


def _parsed(text: str, pointer: str) -> tuple[str, bytes]:
    given, _, encoded = text.strip().rpartition(":")
    try:
        key = base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != KEY_BYTES:
        raise Invalid("a master key is wrong", [Problem(pointer, f"must be {KEY_BYTES} bytes as base64, or ID:base64")])
    return given or _fingerprint(key), key


def _fingerprint(key: bytes) -> str:
    """A name for a key that tells nothing about it."""
    return hashlib.sha256(b"ripieno master key\0" + key).hexdigest()[:12]

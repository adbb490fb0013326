"""Sealing of secrets: each under a key of its own, and that key under a master key (envelope encryption).

AES-256-GCM (NIST SP 800-38D) with random 96-bit nonces. What is authenticated beside the value is whose it is, so that
a sealed value that is copied to another name or tenant does not open. Changing the master key seals the small keys anew
and leaves the values alone.
"""

import base64
import binascii
import os
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ripieno.domain.errors import SecretUnreadable
from ripieno.domain.secrets import SealedSecret
from ripieno.governance.keyring import KEY_BYTES, Keyring

NONCE_BYTES = 12
FORMAT = "v1"


@dataclass(frozen=True, slots=True)
class _Parts:
    """A value under its own key, and that key under the master key."""

    wrapped: bytes
    data: bytes


class EnvelopeCipher:
    """Seals with the keys of a keyring."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def seal(self, tenant: str, name: str, value: str) -> SealedSecret:
        """Seal a value under the current master key. Raises `SecretsLocked`."""
        own = AESGCM.generate_key(bit_length=8 * KEY_BYTES)
        return self._wrapped(tenant, name, own, _encrypt(own, value.encode(), _bound(tenant, name)))

    def open(self, tenant: str, name: str, sealed: SealedSecret) -> str:
        """The value. Raises `SecretUnreadable`."""
        parts = _parts(name, sealed)
        own = self._unwrapped(tenant, name, sealed, parts)
        return _decrypt(name, own, parts.data, _bound(tenant, name)).decode()

    def reseal(self, tenant: str, name: str, sealed: SealedSecret) -> SealedSecret:
        """The same value under the current master key; it is not opened for that. Raises as `open`."""
        parts = _parts(name, sealed)
        return self._wrapped(tenant, name, self._unwrapped(tenant, name, sealed, parts), parts.data)

    def renew(self) -> None:
        """Make a new master key, where they are ours to make; else the first of the given ones stays the current."""
        self._keyring.renew()

    def _wrapped(self, tenant: str, name: str, own: bytes, data: bytes) -> SealedSecret:
        key_id, master = self._keyring.current()
        wrapped = _encrypt(master, own, _bound(tenant, name, key_id))
        return SealedSecret(key_id, ":".join((FORMAT, _text(wrapped), _text(data))))

    def _unwrapped(self, tenant: str, name: str, sealed: SealedSecret, parts: _Parts) -> bytes:
        master = self._keyring.key(sealed.key_id)
        if master is None:
            raise SecretUnreadable(name, f"its master key {sealed.key_id} is not among those that this process has")
        return _decrypt(name, master, parts.wrapped, _bound(tenant, name, sealed.key_id))


def _parts(name: str, sealed: SealedSecret) -> _Parts:
    try:
        form, wrapped, data = sealed.sealed.split(":")
        if form == FORMAT:
            return _Parts(base64.b64decode(wrapped, validate=True), base64.b64decode(data, validate=True))
    except (ValueError, binascii.Error):
        pass
    raise SecretUnreadable(name, "it is not in a form that this version knows")


def _bound(*whose: str) -> bytes:
    return "\0".join(whose).encode()


def _encrypt(key: bytes, plain: bytes, bound: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, bound)


def _decrypt(name: str, key: bytes, sealed: bytes, bound: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound)
    except (InvalidTag, ValueError):
        raise SecretUnreadable(name, "it was changed, or sealed for something else") from None


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()

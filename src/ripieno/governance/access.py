"""Who may come in: a static admin key, or nobody asked on a loopback address."""

import hashlib
import hmac
import ipaddress
from typing import Literal

from ripieno.domain.errors import Invalid, Problem, Unauthenticated
from ripieno.domain.principals import DEFAULT_TENANT, Principal

Mode = Literal["auto", "key", "off"]

ADMIN = Principal("admin", DEFAULT_TENANT, ("admin",))
LOCAL = Principal("local", DEFAULT_TENANT, ("admin",))


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine alone. Nothing is looked up."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def refuse_insecure(host: str, mode: Mode, *, has_key: bool) -> None:
    """Check, before anything is bound, that the address is not open to everybody by accident.

    Raises:
        Invalid: A key is needed and there is none.
    """
    if has_key or mode == "off" or (mode == "auto" and is_loopback(host)):
        return
    why = "auth.mode is key" if mode == "key" else f"{host} can be reached from other machines"
    detail = f"{why}, so auth.admin_key must be set (RIPIENO_AUTH__ADMIN_KEY), or auth.mode set to off on purpose"
    raise Invalid(detail, [Problem("/auth/admin_key", "is needed")])


class StaticAccess:
    """Turns a credential into a principal.

    `open` says that no credential is needed: with `mode` off, or auto on a loopback `host`. `local` says that it is
    open because only this machine can reach it, so that browsers led here by foreign pages must be kept out.
    """

    def __init__(self, host: str, mode: Mode, admin_key: str | None) -> None:
        self._key = _hash(admin_key) if admin_key else None
        self.local = mode == "auto" and is_loopback(host)
        self.open = mode == "off" or self.local

    def principal(self, credential: str | None) -> Principal:
        """Who this is.

        Raises:
            Unauthenticated: The credential is needed and missing, or it is wrong.
        """
        if credential is not None and self._key is not None:
            if hmac.compare_digest(_hash(credential), self._key):
                return ADMIN
            raise Unauthenticated("the key is not valid")
        if self.open:
            return LOCAL
        if credential is None:
            raise Unauthenticated("a key is needed: Authorization: Bearer, X-API-Key or x-admin-token")
        raise Unauthenticated("the key is not valid")


def _hash(text: str) -> bytes:
    """Equal lengths, so that the comparison tells nothing about the key's."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()

"""Who may come in: whoever has a key of the settings, or everybody on a loopback address."""

import difflib
import hashlib
import hmac
import ipaddress
from collections.abc import Mapping, Sequence
from typing import Literal

from ripieno.domain.errors import Invalid, Problem, Unauthenticated
from ripieno.domain.interrupts import ROLE
from ripieno.domain.principals import ANYBODY, DEFAULT_TENANT, Principal

Mode = Literal["auto", "key", "off"]

ADMIN = Principal("admin", DEFAULT_TENANT, ("admin",))
LOCAL = Principal(ANYBODY, DEFAULT_TENANT, ("admin",))


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
    """Turns a credential into a principal. `people` has the principal of each key.

    `open` says that no credential is needed: with `mode` off, or auto on a loopback `host`. `local` says that it is
    open because only this machine can reach it, so that browsers led here by foreign pages must be kept out.
    """

    def __init__(
        self, host: str, mode: Mode, admin_key: str | None, people: Mapping[str, Principal] | None = None
    ) -> None:
        known = {**(people or {}), **({admin_key: ADMIN} if admin_key else {})}
        self._people = [(_hash(key), principal) for key, principal in known.items()]
        self.local = mode == "auto" and is_loopback(host)
        self.open = mode == "off" or self.local

    def principal(self, credential: str | None) -> Principal:
        """Who this is.

        Raises:
            Unauthenticated: The credential is needed and missing, or it is wrong.
        """
        if credential is not None and self._people:
            return self._owner(_hash(credential))
        if self.open:
            return LOCAL
        if credential is None:
            raise Unauthenticated("a key is needed: Authorization: Bearer, X-API-Key or x-admin-token")
        raise Unauthenticated("the key is not valid")

    def must_know(self, names: Sequence[str], tenant: str) -> None:
        """Check names to which a question is to be put: principals of this tenant, or roles that one of them has.

        Raises:
            Invalid: Nobody has this name or role.
        """
        known = {name for _, person in self._people if person.tenant == tenant for name in _names(person)}
        known |= set(_names(LOCAL)) if self.open else set()
        problems = [Problem("/to", _nobody(name, known)) for name in names if name not in known]
        if problems:
            raise Invalid(problems[0].detail, problems)

    def _owner(self, key: bytes) -> Principal:
        """Every key is looked at, so that the time taken tells nothing."""
        found = [person for known, person in self._people if hmac.compare_digest(known, key)]
        if not found:
            raise Unauthenticated("the key is not valid")
        return found[0]


def _names(person: Principal) -> list[str]:
    return [person.id, *(f"{ROLE}{role}" for role in person.roles)]


def _nobody(name: str, known: set[str]) -> str:
    near = difflib.get_close_matches(name, known)
    return f"nobody here is {name}" + (f"; did you mean {', '.join(near)}?" if near else "")


def _hash(text: str) -> bytes:
    """Equal lengths, so that the comparison tells nothing about the key's."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()

"""Settings of people: who may call, and who decides."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from ripieno.domain.approvals import LONGEST
from ripieno.domain.interrupts import ADMIN_ROLE, ROLE, OnExpiry, Terms
from ripieno.domain.principals import ANYBODY, DEFAULT_TENANT, SYSTEM
from ripieno.settings.section import Section

KEY_LENGTH = 8
TAKEN = frozenset({"admin", ANYBODY, SYSTEM.id})
"""Names of principals that are no people of the settings."""


def _long_enough(key: SecretStr) -> SecretStr:
    if len(key.get_secret_value().strip()) < KEY_LENGTH:
        msg = f"a key needs at least {KEY_LENGTH} characters; leave it out to have none"
        raise ValueError(msg)
    return key


Key = Annotated[SecretStr, AfterValidator(_long_enough)]
PersonName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.@-]{0,62}$")]


class PersonSettings(Section):
    """A person or program that calls: its key, its roles, its tenant."""

    key: Key
    roles: tuple[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")], ...] = ()
    tenant: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")] = DEFAULT_TENANT


class AuthSettings(Section):
    """Who may call the API.

    `auto` asks for no key on a loopback address, which is for development, and refuses to bind any other without
    a key; `dev` is another name of it. `key` always asks for a key; `off` never does, and says so at each start. A key
    has at least 8 characters. `admin_key` is that of the administrator; `keys` gives other people and programs their
    own: by name (not `admin`, `local`, `system`), each a table `{key, roles, tenant}`. The role `admin` may decide
    whatever was put to others.
    """

    mode: Literal["auto", "key", "off"] = "auto"
    admin_key: Key | None = None
    keys: dict[PersonName, PersonSettings] = Field(default_factory=dict)

    @field_validator("mode", mode="before")
    @classmethod
    def _development(cls, mode: object) -> object:
        return "auto" if mode == "dev" else mode

    @model_validator(mode="after")
    def _one_key_and_one_name_each(self) -> "AuthSettings":
        if taken := sorted(TAKEN & self.keys.keys()):
            msg = f"the name {taken[0]} is taken: {', '.join(sorted(TAKEN))} are not people"
            raise ValueError(msg)
        keys = [self.admin_key, *(person.key for person in self.keys.values())]
        secrets = [key.get_secret_value() for key in keys if key is not None]
        if len(set(secrets)) < len(secrets):
            msg = "two have the same key; nobody could tell them apart"
            raise ValueError(msg)
        return self

    @property
    def has_key(self) -> bool:
        """Whether anybody can prove who they are."""
        return self.admin_key is not None or bool(self.keys)


class ApprovalSettings(Section):
    """How approvals are given, where an agent's own list does not say it.

    `required` people must approve; with `exclude_requester` the one who started the run is not among them. `assignees`
    are the names and roles (`role:finance`) that may decide, none means everybody; whoever has the role `admin` always
    may. A question that nobody decides for `expires_seconds` is denied, or put to `escalate_to` once for as long again,
    or its run is cancelled.
    """

    required: int = Field(default=1, ge=1, le=20)
    exclude_requester: bool = False
    assignees: tuple[str, ...] = ()
    expires_seconds: float = Field(default=3 * 86400.0, gt=0, le=LONGEST)
    on_expiry: OnExpiry = OnExpiry.DENY
    escalate_to: tuple[str, ...] = Field(default=(f"{ROLE}{ADMIN_ROLE}",), min_length=1)

    def terms(self) -> Terms:
        """The same in the words of the domain."""
        return Terms(
            required=self.required,
            exclude_requester=self.exclude_requester,
            assignees=self.assignees,
            seconds=self.expires_seconds,
            on_expiry=self.on_expiry,
            escalate_to=self.escalate_to,
        )

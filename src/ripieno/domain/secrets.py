"""Secrets: values that are kept sealed, and named where they are used."""

import re
from dataclasses import dataclass
from datetime import datetime

REFERENCE = "secret://"
"""`secret://NAME` in a setting or definition stands for the value of the secret NAME."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")

LONGEST = 65_536
"""Characters of a value."""


@dataclass(frozen=True, slots=True)
class SecretInfo:
    """What may be shown of a secret: everything but its value. `version` counts how often it was set."""

    name: str
    tenant: str
    version: int
    key_id: str
    created_by: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """A secret as it is kept: `sealed` is text that only a holder of the master key `key_id` can open."""

    key_id: str
    sealed: str

"""Whose approval a tool call needs, as agent files say it: a pattern of tools, or a pattern with terms."""

import re
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Annotated, TypeAlias

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag

from ripieno.domain.interrupts import OnExpiry, Terms

DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])")
SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
LONGEST = 366 * 86400.0


def seconds_in(given: object) -> object:
    """A duration in seconds: `90`, `90s`, `30m`, `4h`, `3d`. What is no text is left to the validator."""
    if not isinstance(given, str):
        return given
    found = DURATION.fullmatch(given.strip())
    if found is None:
        msg = "give seconds, or a number with s, m, h or d behind it, as in 4h"
        raise ValueError(msg)
    return float(found[1]) * SECONDS[found[2]]


Assignees: TypeAlias = tuple[Annotated[str, Field(min_length=1, max_length=200)], ...]
Duration = Annotated[float, BeforeValidator(seconds_in), Field(gt=0, le=LONGEST)]
Quorum = Annotated[int, Field(ge=1, le=20)]


class ApprovalRule(BaseModel):
    """Tools that need approval, and whose. What is not said is as the settings say."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    tool: Annotated[str, Field(min_length=1)]
    required: Quorum | None = None
    exclude_requester: bool | None = Field(
        default=None, validation_alias=AliasChoices("exclude_requester", "four_eyes")
    )
    assignees: Assignees | None = None
    expires: Duration | None = None
    on_expiry: OnExpiry | None = None
    escalate_to: Assignees | None = Field(default=None, min_length=1)


def _form(entry: object) -> str:
    return "pattern" if isinstance(entry, str) else "terms"


ApprovalEntry: TypeAlias = Annotated[
    Annotated[str, Tag("pattern")] | Annotated[ApprovalRule, Tag("terms")], Discriminator(_form)
]
"""A pattern of tools, alone or with terms."""


def pattern(entry: str | ApprovalRule) -> str:
    """The tools that an entry of an agent's `approvals` is about."""
    return entry if isinstance(entry, str) else entry.tool


def terms_for(tool: str, entries: Sequence[str | ApprovalRule], usual: Terms) -> Terms:
    """On which terms a call of this tool is approved.

    Where several entries fit, nothing gets weaker: the most approvals, no requester if one says so; of the rest, what
    the first of them says.
    """
    terms = usual
    fitting = [entry for entry in entries if isinstance(entry, ApprovalRule) and fnmatchcase(tool, entry.tool)]
    for rule in reversed(fitting):
        said = {
            "assignees": rule.assignees,
            "seconds": rule.expires,
            "on_expiry": rule.on_expiry,
            "escalate_to": rule.escalate_to,
        }
        terms = replace(terms, **{name: value for name, value in said.items() if value is not None})
    required = [rule.required for rule in fitting if rule.required is not None]
    excluding = [rule.exclude_requester for rule in fitting if rule.exclude_requester is not None]
    return replace(
        terms,
        required=max(required, default=usual.required),
        exclude_requester=any(excluding) if excluding else usual.exclude_requester,
    )

"""Whether a team can work, and what its members hand to each other: plan, claims, verdict."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ripieno.domain.agents import AgentDefinition

ROLES = ("planner", "executor", "reviewer")
"""What the pattern `review` needs: one member at least of each. More members are welcome and not needed."""


@dataclass(frozen=True, slots=True)
class Shortcoming:
    """Why a team cannot work; `member` is whom it is about, None when it is about somebody who is not there."""

    reason: str
    member: str | None = None


def shortcomings(team: AgentDefinition, known: Mapping[str, AgentDefinition]) -> Iterator[Shortcoming]:
    """Everything that keeps a team from working among the agents there are; nothing for an agent that is no team."""
    if not team.is_team:
        return
    for member in team.members:
        if member == team.name:
            yield Shortcoming(f"the team {team.name} is its own member", member)
        elif member not in known:
            near = difflib.get_close_matches(member, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            yield Shortcoming(f"the member {member} does not exist{hint}", member)
    roles = {known[member].role for member in team.members if member in known and member != team.name}
    for role in ROLES:
        if role not in roles:
            yield Shortcoming(f"the team {team.name} has no member with the role {role}")


StepId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]


class _Document(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class PlanStep(_Document):
    """One piece of work for one member. `needs` names steps whose answers it is given."""

    id: StepId
    agent: str
    goal: str
    needs: tuple[str, ...] = ()


class Deliverable(_Document):
    """A file that the goal asks for; written after the review."""

    path: str
    description: str = ""


class Plan(_Document):
    """How a team will reach its goal."""

    steps: tuple[PlanStep, ...] = Field(min_length=1, max_length=20)
    deliverable: Deliverable | None = None


class Claim(_Document):
    """A statement of the draft, and the ids of the evidence that bears it."""

    claim: str
    evidence: tuple[str, ...] = ()


class Review(_Document):
    """A reviewer's verdict. Claims that cite ids which do not exist are unsupported by construction."""

    verdict: Literal["accept", "rework"]
    issues: tuple[str, ...] = ()
    claims: tuple[Claim, ...] = ()
    unsupported_claims: tuple[Claim, ...] = ()

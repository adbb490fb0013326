"""What the members of a team hand to each other: plan, claims, verdict."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

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

"""What is checked without asking a model: plans that cannot work, citations of evidence that does not exist."""

import re
from collections.abc import Iterable

from ripieno.domain.teams import Claim, PlanStep, Review

CITATION = re.compile(r"\[([a-z0-9][a-z0-9_-]*(?:/[a-z0-9_-]+)*/t\d+c\d+)\]")


def plan_problems(steps: tuple[PlanStep, ...], agents: set[str]) -> Iterable[str]:
    """What makes a plan impossible to carry out: unknown agents, unknown needs, circles, twins."""
    ids = [step.id for step in steps]
    for step in steps:
        if step.agent not in agents:
            yield f"step {step.id}: there is no agent {step.agent}; there are {', '.join(sorted(agents))}"
        for need in step.needs:
            if need not in ids:
                yield f"step {step.id} needs {need}, which is no step"
    if len(set(ids)) < len(ids):
        yield "two steps have the same id"
    elif _has_cycle({step.id: set(step.needs) & set(ids) for step in steps}):
        yield "the steps need each other in a circle"


def _has_cycle(needs: dict[str, set[str]]) -> bool:
    while needs:
        free = {name for name, wanted in needs.items() if not wanted & needs.keys()}
        if not free:
            return True
        needs = {name: wanted for name, wanted in needs.items() if name not in free}
    return False


def held_to_evidence(review: Review, draft: str, known: set[str]) -> Review:
    """Add what no reviewer may wave through: claims without evidence, or with evidence that does not exist."""
    invented = [claim for claim in review.claims if not claim.evidence or not set(claim.evidence) <= known]
    cited = set(CITATION.findall(draft))
    issues = [f"[{name}] is cited, but there is no such evidence" for name in sorted(cited - known)]
    if known and not cited:
        issues.append("the draft cites none of the evidence that there is")
    if not invented and not issues:
        return review
    issues = (*review.issues, *issues)
    unsupported = (*review.unsupported_claims, *(claim for claim in invented if claim not in review.unsupported_claims))
    return review.model_copy(update={"verdict": "rework", "issues": issues, "unsupported_claims": unsupported})


def objections(review: Review) -> str:
    """What a reviewer holds against an answer, as text."""

    def line(claim: Claim) -> str:
        return f"- not supported by evidence: {claim.claim}"

    lines = [*(f"- {issue}" for issue in review.issues), *(line(claim) for claim in review.unsupported_claims)]
    return "\n".join(["The reviewer did not accept this answer:", *lines])

"""Purpose `review`: does each statement of a draft cite evidence that exists and that shows what the statement says?"""

from ripieno.domain.jsons import JsonObject
from ripieno.models.providers.offline.statements import borne, evidence_of, statements


def review(data: JsonObject) -> JsonObject:
    """Give a verdict, in the shape of `domain.teams.Review`."""
    evidence = evidence_of(data)
    claims: list[JsonObject] = []
    unsupported: list[JsonObject] = []
    issues: list[str] = []
    for statement in statements(str(data.get("draft") or "")):
        known = [each for each in statement.cites if each in evidence]
        unknown = [each for each in statement.cites if each not in evidence]
        if not statement.cites:
            reason = "it cites no evidence"
        elif unknown:
            reason = f"there is no evidence {', '.join(unknown)}"
        else:
            reason = borne(statement, [evidence[each] for each in known])
        claim: JsonObject = {"claim": statement.claim, "evidence": known}
        (unsupported if reason else claims).append(claim)
        if reason:
            issues.append(f"“{statement.claim}”: {reason}")
    if evidence and not claims and not unsupported:
        issues.append("The draft states nothing, although there is evidence.")
    verdict = "rework" if issues else "accept"
    return {"verdict": verdict, "issues": issues, "claims": claims, "unsupported_claims": unsupported}

"""Purpose `compose`: a report of what a team's tools returned, the worst first, and each line with its evidence."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from ripieno.domain.jsons import Json, JsonObject
from ripieno.models.providers.offline import quoting, words
from ripieno.models.providers.offline.acting import labelled
from ripieno.models.providers.offline.statements import Evidence, Statement, borne, evidence_of, holder, statements

LINES_A_RESULT = 4
MOST_URGENT = 10
MOST_FINDINGS = 16
URGENT_FROM = 4
TITLE = 160


@dataclass(frozen=True, slots=True)
class _Finding:
    line: str
    severity: int
    order: int


def compose(goal: str, data: JsonObject) -> str:
    """Write the draft. With issues from a review, mend or drop the statements of the last draft that they name."""
    evidence = evidence_of(data)
    issues = [str(issue) for issue in _items(data.get("issues"))]
    draft = data.get("previous_draft")
    if issues and isinstance(draft, str) and draft.strip():
        return mended(draft, issues, evidence)
    return "\n".join(_report(goal, evidence, _items(data.get("results")))).strip()


def _report(goal: str, evidence: Mapping[str, Evidence], results: Sequence[Json]) -> Iterator[str]:
    yield f"# {quoting.shortened(' '.join(goal.split()) or 'What was found', TITLE)}"
    findings = sorted(_findings(goal, evidence), key=lambda each: (-each.severity, each.order))
    urgent = [each for each in findings if each.severity >= URGENT_FROM][:MOST_URGENT]
    rest = sorted((each for each in findings if each not in urgent), key=lambda each: each.order)
    for title, group in (("What deserves attention", urgent), ("What was seen", rest[:MOST_FINDINGS])):
        if group:
            yield from ("", f"## {title}", "", *(each.line for each in group))
    missing = [*_failures(evidence), *_unanswered(results, evidence)]
    if missing:
        yield from ("", "## What could not be done", "", *missing)
    if not findings and not missing:
        yield from ("", "Nothing was found: no tool returned anything to report.")


def _findings(goal: str, evidence: Mapping[str, Evidence]) -> Iterator[_Finding]:
    sought = set(words.telling(goal))
    order = 0
    for item in evidence.values():
        for quote in quoting.essential(item.excerpt, sought, LINES_A_RESULT) if item.ok else ():
            order += 1
            yield _Finding(f"- {labelled(item.tool, item.arguments)}: {quote.text} [{item.id}]", quote.severity, order)


def _failures(evidence: Mapping[str, Evidence]) -> Iterator[str]:
    for item in evidence.values():
        if not item.ok:
            said = next(iter(quoting.essential(item.excerpt, (), 1)), None)
            reason = said.text if said else "no reason given"
            yield f"- {labelled(item.tool, item.arguments)} failed: {reason} [{item.id}]"


def _unanswered(results: Sequence[Json], evidence: Mapping[str, Evidence]) -> Iterator[str]:
    """Steps that have no evidence: nothing that they say can be cited, so only that is said."""
    with_evidence = {key.split("/", 1)[0] for key in evidence}
    for raw in results:
        result = cast("JsonObject", raw) if isinstance(raw, dict) else {}
        step = str(result.get("step", ""))
        if step and step not in with_evidence:
            yield f"- Not covered: step `{step}` ({result.get('agent', 'unknown')}) left no evidence"


def mended(draft: str, issues: Sequence[str], evidence: Mapping[str, Evidence]) -> str:
    """Go through a draft: a named or unborne statement is cited rightly where evidence holds it, else dropped."""
    said = [" ".join(issue.split()) for issue in issues]
    bad = [each for each in statements(draft) if _is_named(each, said) or _is_unborne(each, evidence)]
    good = [each for each in statements(draft) if each not in bad]
    lines: list[str] = []
    for raw in draft.splitlines():
        wrong = [each for each in bad if each.line == raw.strip()]
        if not wrong:
            lines.append(raw)
            continue
        right = holder(evidence, wrong[0].claim) if len(wrong) == 1 and _is_unborne(wrong[0], evidence) else ""
        if right and not any(each.claim.endswith(wrong[0].claim) for each in good):
            lines.append(f"- {wrong[0].claim} [{right}]")
    kept = re.sub(r"\n{3,}", "\n\n", "\n".join(_without_empty_sections(lines))).strip()
    return kept or "Nothing was found: no statement of the draft is borne by evidence."


def _is_named(statement: Statement, issues: Sequence[str]) -> bool:
    return any(statement.claim in issue for issue in issues)


def _is_unborne(statement: Statement, evidence: Mapping[str, Evidence]) -> bool:
    sources = [evidence[each] for each in statement.cites if each in evidence]
    return len(sources) < max(1, len(statement.cites)) or bool(borne(statement, sources))


def _without_empty_sections(lines: Sequence[str]) -> Iterator[str]:
    """Leave out second-level headings under which nothing is left."""
    for index, line in enumerate(lines):
        if line.startswith("## "):
            below = next((other for other in lines[index + 1 :] if other.strip()), "## ")
            if below.startswith("#"):
                continue
        yield line


def _items(value: Json) -> list[Json]:
    return cast("list[Json]", value) if isinstance(value, list) else []

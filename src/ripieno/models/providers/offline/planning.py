"""Purpose `plan`: split a goal over the members of a team by what they say they can do."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from ripieno.domain.jsons import Json, JsonObject
from ripieno.models.providers.offline import words
from ripieno.models.providers.offline.lexicon import RELATED
from ripieno.models.providers.offline.values import find

MOST_STEPS = 20
DEFAULT_REPORT = "report.md"

_STAFF = {"planner", "reviewer"}
"""Members whose part the team's pattern has already; they get no step."""
_HANDS = {"executor"}
"""Members that get a step only when nobody else fits."""
_GENERALIST = {words.stem(word) for word in ("researcher", "research", "generalist", "general", "assistant")}
_CHANGES = {"write", "save", "send", "delete", "remove", "create", "update", "post", "restart", "stop", "kill"}
_SAVE = re.compile(r"\b(?:write|save|store|put|export|create|produce|generate|make|prepare)\b", re.IGNORECASE)
_DOCUMENT = re.compile(r"\b(?:report|file|document|write-?up|markdown)\b", re.IGNORECASE)
_LATER = re.compile(
    r"^\W*(?:then|after that|afterwards|based on|from that|with that|finally|using (?:this|that|the))\b", re.IGNORECASE
)
_TELL = re.compile(
    r"^\W*(?:and\s+)?(?:say|tell|summari[sz]e|conclude|recommend|explain|report|list|rank|answer)\b", re.IGNORECASE
)
_LOOK = re.compile(
    r"^(?:please\s+)?(?:look (?:over|at|into)|check|inspect|assess|audit|survey|examine)\b", re.IGNORECASE
)
_OBJECT = re.compile(r"^(?:this|that|these|those|the|my|our|its)\b", re.IGNORECASE)
_NEAR_THE_BEST = 0.4
_ENOUGH = 0.25
_NAME, _CAPABILITY, _TOOL, _DESCRIPTION = 2.0, 2.0, 2.0, 1.0


@dataclass(frozen=True, slots=True)
class Member:
    """An agent as the planner sees it: its words with weights, and what its tools are called."""

    name: str
    role: str
    weights: Mapping[str, float]
    topics: tuple[str, ...]


@dataclass(slots=True)
class Work:
    """What one member is to do."""

    member: Member
    goals: list[str] = field(default_factory=list[str])
    later: bool = False


def plan(goal: str, agents: Sequence[JsonObject]) -> JsonObject:
    """Make a plan, in the shape of `domain.teams.Plan`."""
    members = [_member(agent) for agent in agents if agent.get("name")]
    deliverable = _deliverable(goal)
    works = _assign(goal, _workers(members), has_deliverable=deliverable is not None)
    steps: list[JsonObject] = []
    for work in works[:MOST_STEPS]:
        needs = [step["id"] for step in steps] if work.later else []
        step = {"id": _id(work.member.name, steps), "agent": work.member.name, "goal": _worded(work), "needs": needs}
        steps.append(step)
    return {"steps": steps, "deliverable": deliverable}


def _assign(goal: str, workers: Sequence[Member], *, has_deliverable: bool) -> list[Work]:
    """Give each clause to those it fits; what fits nobody goes with the clause before it, or to a generalist."""
    works: dict[tuple[str, bool], Work] = {}
    last: list[Work] = []
    look = ""
    for clause in words.clauses(goal):
        text = words.tidied(clause)
        text = f"{look} {text}" if look and _OBJECT.match(text) else text
        looked = _LOOK.match(text)
        look = looked.group() if looked else ""
        fitting = _fitting(text, workers)
        if not text or (has_deliverable and _is_order_to_save(text)) or (_TELL.match(text) and not fitting):
            continue
        later = bool(_LATER.match(clause)) and bool(works)
        if fitting or not last:
            chosen = fitting or _fallback(text, workers)
            last = [works.setdefault((member.name, later), Work(member, later=later)) for member in chosen]
        for work in last:
            work.goals.append(text)
    return list(works.values()) or [Work(member, [goal.strip()]) for member in _fallback(goal, workers)]


def _is_order_to_save(clause: str) -> bool:
    return bool(_SAVE.search(clause) and (_DOCUMENT.search(clause) or find(clause).paths))


def _fitting(clause: str, workers: Sequence[Member]) -> list[Member]:
    """The members that fit a clause: the best one, and for a general look all that come near it."""
    values = find(clause)
    implied = [*(["url"] if values.urls else []), *(words.stems("calculate") if values.expressions else [])]
    terms = list(dict.fromkeys([*words.telling(values.plain), *implied]))
    having = {term: sum(term in member.weights for member in workers) for term in terms}
    scores = [
        sum(member.weights.get(term, 0.0) * math.log(1 + len(workers) / having[term]) for term in terms if having[term])
        / math.log(1 + len(workers))
        for member in workers
    ]
    best = max(scores, default=0.0)
    enough = _ENOUGH if words.is_broad(clause) else _DESCRIPTION * 0.9
    if best < enough or (_TELL.match(clause) and best < _NAME):
        return []
    if words.is_broad(clause):
        return [member for member, score in zip(workers, scores, strict=True) if score >= _NEAR_THE_BEST * best]
    return [workers[scores.index(best)]]


def _fallback(goal: str, workers: Sequence[Member]) -> list[Member]:
    """Who takes a goal that fits nobody: for a general look all that have tools, else the likeliest generalist."""
    generalists = [member for member in workers if _GENERALIST & set(member.weights)]
    if words.is_broad(goal):
        able = [member for member in workers if member.topics]
        return [member for member in able if member not in generalists] or able or list(workers[:1])
    return (generalists or list(workers))[:1]


def _workers(members: Sequence[Member]) -> list[Member]:
    free = [member for member in members if not {member.name, member.role} & _STAFF]
    doers = [member for member in free if not {member.name, member.role} & _HANDS]
    return doers or free or list(members)


def _worded(work: Work) -> str:
    """The step's goal; a general one also names what the member can look at."""
    goal = "; ".join(dict.fromkeys(work.goals))
    said = set(words.stems(goal))
    topics = [topic for topic in work.member.topics if not set(words.telling(topic)) & said]
    if words.is_broad(goal) and topics and len(topics) == len(work.member.topics):
        return f"{goal} (look at: {', '.join(topics)})"
    return goal


def _deliverable(goal: str) -> JsonObject | None:
    for clause in words.clauses(goal):
        paths = find(clause).paths
        files = [path for path in paths if "." in path.rsplit("/", 1)[-1]]
        if _SAVE.search(clause) and (files or _DOCUMENT.search(clause)):
            path = files[0].lstrip("/~") if files else DEFAULT_REPORT
            return {"path": path, "description": words.tidied(clause)}
    return None


def _id(name: str, steps: Sequence[JsonObject]) -> str:
    base = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_")[:36] or "step"
    taken = {step["id"] for step in steps}
    return next(each for each in (base, *(f"{base}-{n}" for n in range(2, MOST_STEPS + 2))) if each not in taken)


def _member(agent: JsonObject) -> Member:
    tools = [_tool(item) for item in _items(agent.get("tools"))]
    weights: dict[str, float] = {}
    said = [
        (str(agent["name"]), _NAME),
        (str(agent.get("role") or ""), _NAME),
        (str(agent.get("description") or ""), _DESCRIPTION),
    ]
    said += [(str(capability), _CAPABILITY) for capability in _items(agent.get("capabilities"))]
    said += [(name, _TOOL) for name, _ in tools] + [(text, _DESCRIPTION) for _, text in tools]
    said += [(" ".join(RELATED.get(word, ())), _DESCRIPTION) for name, _ in tools for word in words.stems(name)]
    for text, weight in said:
        for word in words.telling(text):
            value = min(weight, _DESCRIPTION) if word in words.WEAK_STEMS else weight
            weights[word] = max(weights.get(word, 0.0), value)
    own = [name.rpartition(".") for name, _ in tools]
    topics = tuple(
        dict.fromkeys(_topic(group, last) for group, _, last in own if not set(words.stems(last)) & _CHANGES)
    )
    return Member(str(agent["name"]), str(agent.get("role") or "").lower(), weights, topics)


def _topic(group: str, last: str) -> str:
    """How to speak of a tool: its own name; with its group where the name alone is a plain verb."""
    return f"{group} {last}" if group and set(words.stems(last)) <= words.WEAK_STEMS else last.replace("_", " ")


def _tool(item: Json) -> tuple[str, str]:
    if isinstance(item, dict):
        spec = cast("JsonObject", item)
        keywords = " ".join(str(word) for word in _items(spec.get("keywords")))
        return str(spec.get("name", "")), f"{spec.get('description', '')} {keywords}"
    return str(item), ""


def _items(value: Json) -> list[Json]:
    return cast("list[Json]", value) if isinstance(value, list) else []

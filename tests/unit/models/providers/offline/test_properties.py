"""What holds for the offline model whatever it is asked."""

import json
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from ripieno.domain.jsons import JsonObject
from ripieno.domain.teams import Plan, Review
from ripieno.models.providers.offline.shaping import shape
from ripieno.tools.schemas import check
from tests.unit.models.providers.offline.toolbox import TOOLS, ask, returned

SAID = """
ping disk full memory example.com https://example.com/x 12*34 (3+4) port 443 and then write to report.md 'quoted text'
search logs for errors last 2 hours this machine checkout [t9c9] 10.0.0.1 /var/log {} * ? , . ; : \N{WINKING FACE} über
"""
WORDS = st.sampled_from([*SAID.split(), "\n"])
GOALS = st.lists(WORDS, max_size=14).map(" ".join) | st.text(max_size=60)
IDS = re.compile(r"\[([\w/]*t\d+c\d+)\]")

BOUNDS = st.integers(-50, 50)


def between(kind: str, one: int, other: int) -> JsonObject:
    return {"type": kind, "minimum": min(one, other), "maximum": max(one, other)}


def over(least: int) -> JsonObject:
    return {"type": "integer", "exclusiveMinimum": least}


def listed(items: JsonObject, least: int) -> JsonObject:
    return {"type": "array", "items": items, "minItems": least, "maxItems": 4}


def one_of(options: list[str]) -> JsonObject:
    return {"type": "string", "enum": options}


def sized(least: int, most: int) -> JsonObject:
    return {"type": "string", "minLength": least, "maxLength": most}


STRINGS = st.builds(sized, st.integers(0, 5), st.integers(5, 20)) | st.builds(
    one_of, st.lists(st.sampled_from(["red", "blue", "disk"]), min_size=1, unique=True)
)
NUMBERS = st.builds(between, st.sampled_from(["integer", "number"]), BOUNDS, BOUNDS) | st.builds(over, BOUNDS)
PLAIN: st.SearchStrategy[JsonObject] = st.one_of(
    STRINGS,
    NUMBERS,
    st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"const": 7}, {"type": ["string", "null"]}, {}]),
)


def nested(inner: st.SearchStrategy[JsonObject]) -> st.SearchStrategy[JsonObject]:
    names = st.sampled_from(["answer", "summary", "count", "port", "evidence", "tags", "items"])
    objects = st.dictionaries(names, inner, max_size=4).map(
        lambda own: {"type": "object", "properties": own, "required": sorted(own)[::2], "additionalProperties": False}
    )
    arrays = st.builds(listed, inner, st.integers(0, 2))
    either = inner.map(lambda one: {"anyOf": [one, {"type": "null"}]})
    return objects | arrays | either


SCHEMAS = st.recursive(PLAIN, nested, max_leaves=8)


@settings(max_examples=150, deadline=None)
@given(GOALS)
def test_it_is_deterministic_and_its_calls_are_valid(goal: str):
    first = ask(goal)
    assert ask(goal) == first
    schemas = {tool.name: tool.input_schema for tool in TOOLS}
    assert all(check(schemas[call.name], call.arguments) == [] for call in first.tool_calls)
    assert first.tool_calls or first.text


@settings(max_examples=100, deadline=None)
@given(GOALS, st.text(max_size=200))
def test_answers_cite_only_what_came_back(goal: str, result: str):
    first = ask(goal)
    if first.tool_calls:
        after = returned(first, *[result.replace("[", "(")] * len(first.tool_calls))
        known = {f"t1c{index}" for index in range(len(first.tool_calls))}
        assert set(IDS.findall(ask(goal.replace("[", "("), *after).text)) <= known


@settings(max_examples=200, deadline=None)
@given(SCHEMAS, st.text(max_size=100))
def test_a_shaped_answer_is_valid(schema: JsonObject, text: str):
    assert list(check(schema, shape(schema, text))) == []


@settings(max_examples=60, deadline=None)
@given(SCHEMAS, GOALS)
def test_act_with_a_schema_ends_in_valid_json(schema: JsonObject, goal: str):
    first = ask(goal, output_schema=schema or {"type": "string"})
    after = returned(first, *["disk / 91 % full"] * len(first.tool_calls)) if first.tool_calls else []
    last = ask(goal, *after, output_schema=schema or {"type": "string"})
    if not last.tool_calls:
        assert list(check(schema, json.loads(last.text))) == []


def evidence(name: str, tool: str, excerpt: str, ok: bool) -> JsonObject:
    return {"id": name, "tool": tool, "arguments": {}, "excerpt": excerpt, "ok": ok}


def name_of(item: JsonObject) -> str:
    return item["id"]


EXCERPTS = st.text(max_size=80) | st.sampled_from(["disk / 91 % full", "error: 3 failed\nok 4", '{"a": [1, {"b": 2}]}'])
EVIDENCE = st.lists(
    st.builds(
        evidence,
        st.sampled_from(["a/t1c0", "a/t1c1", "b/t1c0"]),
        st.sampled_from(["system.disk", "net.ping"]),
        EXCERPTS,
        st.booleans(),
    ),
    max_size=4,
    unique_by=name_of,
)


@settings(max_examples=100, deadline=None)
@given(EVIDENCE, GOALS)
def test_drafts_and_reviews_cite_only_evidence_that_exists(found: list[JsonObject], goal: str):
    known = {item["id"] for item in found}
    data: JsonObject = {"goal": goal, "evidence": found, "results": [], "issues": []}
    draft = ask("Write it", data=data, purpose="compose", tools=()).text
    body = "\n".join(draft.splitlines()[1:])  # the first line is the goal, which is not the model's
    review = Review.model_validate_json(ask("Check", data={**data, "draft": body}, purpose="review", tools=()).text)
    assert all(set(claim.evidence) <= known for claim in (*review.claims, *review.unsupported_claims))
    mended = ask("Mend", data={**data, "previous_draft": body, "issues": ["all"]}, purpose="compose", tools=()).text
    again = Review.model_validate_json(ask("Check", data={**data, "draft": mended}, purpose="review", tools=()).text)
    assert again.unsupported_claims == ()


@settings(max_examples=100, deadline=None)
@given(GOALS, st.lists(st.sampled_from(["planner", "disk_man", "web_man", "executor"]), min_size=1, unique=True))
def test_plans_are_valid_and_name_agents_that_exist(goal: str, names: list[str]):
    agents = [
        {"name": name, "role": "", "description": "disk web", "capabilities": [], "tools": ["net.ping"]}
        for name in names
    ]
    plan = Plan.model_validate_json(ask(goal, data={"goal": goal, "agents": agents}, purpose="plan").text)
    ids = [step.id for step in plan.steps]
    assert len(set(ids)) == len(ids)
    assert all(step.agent in names and set(step.needs) <= set(ids) for step in plan.steps)

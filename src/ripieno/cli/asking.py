"""A question to a person, on a terminal: how it is put, and what may be answered."""

import json
from dataclasses import dataclass, field
from typing import TypeAlias, cast

from ripieno.cli import forms
from ripieno.cli.story import Question
from ripieno.cli.wording import clean, count
from ripieno.domain.interrupts import InterruptKind, InterruptStatus
from ripieno.domain.jsons import Json, JsonObject

SHOWN_LINES = 12

ASKED = {
    InterruptKind.APPROVAL: "for your approval",
    InterruptKind.BUDGET: "for more budget",
    InterruptKind.QUESTION: "for an answer",
    InterruptKind.UNKNOWN_EFFECT: "whether a call took effect",
}

PROMPTS = {
    InterruptKind.APPROVAL: "Allow it? [y]es  [n]o (n REASON)  [e]dit  [v]iew all: ",
    InterruptKind.BUDGET: "Allow it? [y]es (y AMOUNT)  [n]o (n REASON)  [v]iew all: ",
    InterruptKind.QUESTION: "Your answer: ",
    InterruptKind.UNKNOWN_EFFECT: "Did it happen? [c]ommitted, it did  [r]etry it  [a]bandon it  [v]iew all: ",
}


@dataclass(frozen=True, slots=True)
class Decide:
    """Send this decision."""

    body: JsonObject


@dataclass(frozen=True, slots=True)
class Edit:
    """Let the arguments be edited first; `text` holds them where they were typed on the line."""

    text: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """Show everything."""


@dataclass(frozen=True, slots=True)
class Unclear:
    """Ask again, and say why."""

    why: str


Answer: TypeAlias = Decide | Edit | View | Unclear


@dataclass(frozen=True, slots=True)
class Card:
    """What a person is shown before deciding."""

    title: str
    fields: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def text(self) -> str:
        """The card as lines: names on the left, values beside them."""
        width = max((len(name) for name, _ in self.fields), default=0) + 4
        lines = ["", self.title]
        for name, value in self.fields:
            first, *rest = value.split("\n")
            lines += [f"  {name:<{width - 2}}{first}", *(" " * width + line for line in rest)]
        return "\n".join(lines)


def card(question: Question, *, whole: bool = False) -> Card:
    """Put a question into words; long texts are cut unless `whole`."""
    request = question.request
    found: list[tuple[str, str]] = []
    if question.tool:
        found.append(("tool", question.tool))
    if text := str(request.get("question") or request.get("description") or ""):
        found.append(("about", clean(text if whole else text.split("\n\n", maxsplit=1)[0])))
    found += [(f"· {clean(name)}", _value(value, whole=whole)) for name, value in question.arguments.items()]
    found.append(("risk", question.risk))
    if question.reasons:
        found.append(("why asked", clean("\n".join(question.reasons))))
    found += _terms(question.terms)
    found += [(clean(name), clean(value)) for name, value in forms.asked(request)]
    found += _options(question)
    asked = ASKED[InterruptKind(question.kind)]
    return Card(f"{question.agent} asks {asked}  ({question.id})", found)


def _terms(terms: JsonObject) -> list[tuple[str, str]]:
    """What is unusual about how this may be decided."""
    found: list[tuple[str, str]] = []
    required = int(terms.get("required", 1))
    assignees: list[str] = terms.get("assignees") or []
    if required > 1:
        found.append(("needs", count(required, "approval")))
    if terms.get("exclude_requester"):
        found.append(("not by", "whoever started the run"))
    if assignees:
        found.append(("put to", clean(", ".join(assignees))))
    return found


def _options(question: Question) -> list[tuple[str, str]]:
    """What can be answered: words with their meanings, or only words."""
    options: Json = question.request.get("options") or []
    if isinstance(options, dict):
        return [(clean(word), clean(str(meaning))) for word, meaning in cast("JsonObject", options).items()]
    words = ", ".join(map(str, cast("list[Json]", options)))
    return [("answers", clean(words))] if words else []


def _value(value: Json, *, whole: bool) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    lines = clean(text).splitlines() or [""]
    if whole or len(lines) <= SHOWN_LINES:
        return "\n".join(lines)
    return "\n".join([*lines[:SHOWN_LINES], f"… {count(len(lines) - SHOWN_LINES, 'more line')} (v shows all)"])


def is_open(interrupt: JsonObject) -> bool:
    """Whether an interrupt, as the API shows it, still waits for somebody's word."""
    return interrupt.get("status") == InterruptStatus.PENDING


def progress(interrupt: JsonObject) -> str:
    """How far an approval has come that needs several people."""
    have, need = len(interrupt["votes"]), int(interrupt["required_approvals"])
    return f"{interrupt['id']} has {have} of {count(need, 'approval')}; it waits for other people"


def read(kind: str, line: str) -> Answer:
    """What a typed line means as an answer to a question of this kind."""
    word, _, rest = line.strip().partition(" ")
    if kind == InterruptKind.QUESTION:
        return Decide({"decision": "answer", "answer": line.strip()}) if word else Unclear("an answer is needed")
    if word.lower() in {"v", "view"}:
        return View()
    if kind == InterruptKind.UNKNOWN_EFFECT:
        return _fate(word.lower(), rest)
    if kind == InterruptKind.APPROVAL and word.lower() in {"e", "edit"}:
        return Edit(rest.strip())
    if kind == InterruptKind.BUDGET and word.lower() in {"y", "yes"} and rest.strip():
        return _raise(rest)
    return _permission(word.lower(), rest)


def _raise(text: str) -> Answer:
    first, _, reason = text.strip().partition(" ")
    try:
        amount = float(first)
    except ValueError:
        return Decide(_with_reason("approve", text))
    return Decide({**_with_reason("approve", reason), "amount": amount})


def _permission(word: str, reason: str) -> Answer:
    if word in {"y", "yes"}:
        return Decide(_with_reason("approve", reason))
    if word in {"n", "no"}:
        return Decide(_with_reason("deny", reason))
    return Unclear("please answer y or n" if word else "nothing is decided yet")


def _fate(word: str, reason: str) -> Answer:
    for known in ("committed", "retry", "abandon"):
        if word and known.startswith(word):
            return Decide(_with_reason(known, reason))
    return Unclear("please answer c, r or a")


def _with_reason(decision: str, reason: str) -> JsonObject:
    return {"decision": decision, "reason": reason.strip()} if reason.strip() else {"decision": decision}


def read_arguments(text: str) -> Decide | Unclear:
    """Edited arguments as an approval with other arguments."""
    try:
        found = json.loads(text)
    except ValueError as error:
        return Unclear(f"that is not JSON: {error}")
    if not isinstance(found, dict):
        return Unclear("the arguments must be a JSON object")
    return Decide({"decision": "approve", "arguments": found})

"""How much an act may use, decided before it begins, and what is said when it may not.

The estimate of a model call is meant to be too high: a token for every two bytes of what is sent, where English text
takes about four, code about three and Chinese about two, and as many tokens as the answer may have. What was really
used is settled afterwards, so that the difference is out for the time of the call alone.
"""

import json
from dataclasses import dataclass, replace

from ripieno.domain.budgets import Amount, Budget, Measure, OnExceeded, Shortage, Window, shown
from ripieno.domain.effects import EffectClass
from ripieno.domain.jsons import JsonObject
from ripieno.domain.messages import AssistantMessage, Message, ModelRequest, UserMessage
from ripieno.domain.tools import ToolSpec

BYTES_A_TOKEN = 2
TOKENS_A_FILE = 2_000
"""What an image may take. A long document takes more, which is known and settled when the answer is there."""

TOKENS_A_MESSAGE = 8
ANSWER_TOKENS = 4096
"""How long an answer may be under a budget, where the agent does not say."""

LEAST_ANSWER_TOKENS = 256
"""A budget that leaves less is spent."""


@dataclass(frozen=True, slots=True)
class Price:
    """What a request costs in dollars: what is sent, and with an answer of a length beside it, `whole`."""

    sent: float = 0.0
    whole: float = 0.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """The tokens of a request: those that are sent, and those that the answer may have and must have at least."""

    sent: int
    answer: int
    least: int


def estimate(request: ModelRequest) -> Estimate:
    """How many tokens a request may take."""
    texts = [_text(message) for message in request.messages]
    texts += [json.dumps([tool.wire_name, tool.description, tool.input_schema]) for tool in request.tools]
    if request.output_schema is not None:
        texts.append(json.dumps(request.output_schema))
    sent = sum(-(-len(text.encode()) // BYTES_A_TOKEN) + TOKENS_A_MESSAGE for text in texts)
    sent += sum(len(each.attachments) for each in request.messages if isinstance(each, UserMessage)) * TOKENS_A_FILE
    answer = request.max_tokens or ANSWER_TOKENS
    return Estimate(sent, answer, min(answer, LEAST_ANSWER_TOKENS))


def of_model(tokens: Estimate, price: Price, timeout: float) -> tuple[Amount, Amount]:
    """What a model call may use, and the least with which it is worth beginning."""
    need = Amount.used(price.whole, tokens.sent + tokens.answer, timeout)
    a_token = (price.whole - price.sent) / tokens.answer
    return need, Amount.used(price.sent + a_token * tokens.least, tokens.sent + tokens.least, min(1.0, timeout))


def within(request: ModelRequest, tokens: Estimate, price: Price, amount: Amount) -> ModelRequest:
    """The request, its answer no longer than what was set aside for it pays."""
    answer = min(tokens.answer, amount.tokens - tokens.sent)
    if price.whole > price.sent:
        dear = (amount.usd / Amount.used(usd=1).usd - price.sent) / (price.whole - price.sent)
        answer = min(answer, int(tokens.answer * min(1.0, dear)))
    return replace(request, max_tokens=max(1, answer), timeout=min(request.timeout, amount.seconds / 1000))


def of_tool(spec: ToolSpec) -> tuple[Amount, Amount]:
    """What a tool call may use, and the least with which it is worth beginning."""
    effects = 0 if spec.effect is EffectClass.READ else 1
    return Amount.used(seconds=spec.timeout, effects=effects), Amount.used(
        seconds=min(1.0, spec.timeout), effects=effects
    )


NO_MONEY = frozenset({"budget_exceeded", "price_unknown"})
"""Codes of model calls that were not made because nothing may be spent."""

OWN_LIMIT = "a retry goes on under the same limit, a fork may be given another"
"""What to do about a limit that was pinned when the run began."""


def told(short: Shortage) -> str:
    """Why an act was not begun, in a sentence."""
    measure = short.measure
    limit, spent, needed = (shown(measure, amount) for amount in (short.limit, short.spent, short.needed))
    out = f", {shown(measure, short.leased):g} in use" if short.leased and not short.hopeless else ""
    unit = "USD" if measure is Measure.USD else measure.value
    return (
        f"the budget of {named(short.budget)} is spent: {limit:g} {unit} allowed, {spent:g} spent{out}, "
        f"at least {needed:g} needed{_advice(short.budget)}"
    )


def _advice(budget: Budget) -> str:
    own = budget.scope.startswith("run:") and budget.on_exceeded is OnExceeded.STOP
    return f"; {OWN_LIMIT}" if own else ""


def named(budget: Budget) -> str:
    """A budget as a sentence speaks of it."""
    scope = budget.scope.replace(":", " ", 1)
    return scope if budget.window is Window.TOTAL else f"{scope} for this {budget.window.value}"


def asked(short: Shortage) -> JsonObject:
    """What a person is shown who may allow more. `amount` is added where the decision names none."""
    measure, budget = short.measure, short.budget
    more = max(short.limit, short.needed + short.spent - short.limit)
    return {
        "scope": budget.scope,
        "window": budget.window.value,
        "measure": measure.value,
        "limit": shown(measure, short.limit),
        "spent": shown(measure, short.spent),
        "needed": shown(measure, short.needed),
        "amount": shown(measure, more),
        "description": told(short),
    }


def subject(short: Shortage) -> list[str | int]:
    """What a decision about a budget is bound to: another limit, window or measure is another question."""
    budget = short.budget
    return [budget.tenant, budget.scope, budget.window.value, short.since.isoformat(), short.measure.value, short.limit]


def _text(message: Message) -> str:
    extra: JsonObject = {}
    if isinstance(message, UserMessage) and message.data is not None:
        extra = message.data
    if isinstance(message, AssistantMessage):
        extra = {call.id: [call.name, call.arguments] for call in message.tool_calls}
    return message.text + (json.dumps(extra) if extra else "")

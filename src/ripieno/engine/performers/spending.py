"""Sets something aside in every budget that applies before an act, or asks a person for more, or refuses.

A run to which no budget applies passes through without waiting for anything.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from ripieno.domain import ids, jsons
from ripieno.domain.budgets import Amount, Budget, OnExceeded, Raise, Shortage, units
from ripieno.domain.effects import EffectClass
from ripieno.domain.interrupts import Decision, DecisionKind, InterruptKind
from ripieno.domain.messages import ModelRequest
from ripieno.domain.tools import ToolSpec
from ripieno.engine.core import spending
from ripieno.engine.core.commands import CallModel
from ripieno.engine.core.spending import Price
from ripieno.engine.halting import Halting
from ripieno.engine.leg import Budgets, Leg, Purse
from ripieno.engine.performers.people import PeoplePerformer, Question

MostUsd = Callable[[ModelRequest, int, int], Awaitable[float | None]]
"""What any model that may answer a request asks for so many tokens in and out; None where no price is known."""

EXCEEDED = "budget_exceeded"
UNPRICED = "price_unknown"


class Overspent(Exception):
    """The act may not begin. `code` and `detail` are the run's error."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Checks:
    """What may keep any call from being made."""

    halting: Halting
    spending: "Spending"


class Spending:
    """Between the performers and the budgets."""

    def __init__(self, budgets: Budgets, most_usd: MostUsd, people: PeoplePerformer) -> None:
        self._budgets = budgets
        self._most_usd = most_usd
        self._people = people

    async def before_model(self, leg: Leg, command: CallModel) -> ModelRequest:
        """The request as it may be sent: no longer an answer, no longer a wait than what was set aside.

        Raises:
            Overspent: A budget is spent, or would have to know a price that nobody knows.
            Blocked: A person is asked for more.
        """
        request, budgets = command.request, self._applying(leg)
        if not budgets:
            return request
        tokens = spending.estimate(request)
        price = await self._price(request, tokens.sent, tokens.answer, budgets)
        need, least = spending.of_model(tokens, price, request.timeout)
        purse = await self._reserve(leg, command.key, budgets, (need, least))
        if purse is None:
            return request
        await leg.reserve(purse)
        return spending.within(request, tokens, price, purse.amount)

    async def before_tool(self, leg: Leg, key: str, spec: ToolSpec) -> None:
        """Count a call before it is made; an effect is written down with its intent. Raises as `before_model`."""
        budgets = self._applying(leg)
        if budgets:
            purse = await self._reserve(leg, key, budgets, spending.of_tool(spec))
            if purse is not None and spec.effect is EffectClass.READ:
                await leg.reserve(purse)

    def _applying(self, leg: Leg) -> Sequence[Budget]:
        return self._budgets.applying(leg.run, leg.family)

    async def _price(self, request: ModelRequest, sent: int, answer: int, budgets: Sequence[Budget]) -> Price:
        usd = next((budget for budget in budgets if budget.caps.usd is not None), None)
        if usd is None:
            return Price()
        whole = await self._most_usd(request, sent, answer)
        if whole is None:
            what = f"the budget of {spending.named(usd)} is in USD"
            detail = f"no price is known for {request.model}, and {what}: set one in models.prices"
            raise Overspent(UNPRICED, detail)
        return Price(await self._most_usd(request, sent, 0) or 0.0, whole)

    async def _reserve(
        self, leg: Leg, key: str, budgets: Sequence[Budget], wanted: tuple[Amount, Amount]
    ) -> Purse | None:
        """What is set aside for the act; None when all that it uses is unlimited."""
        need, least = wanted
        concerned = [one for one in budgets if any(need.of(measure) for measure in one.caps.measures)]
        if not concerned:
            return None
        if left_open := await leg.left_open(key, self._budgets):
            return left_open
        before: Shortage | None = None
        while True:
            got = await self._budgets.reserve(concerned, (leg.run.id, key), need, least)
            if not isinstance(got, Shortage):
                return leg.keep(Purse(key, tuple(got), self._budgets)) if got else None
            if before is not None and spending.subject(before) == spending.subject(got):
                raise Overspent(EXCEEDED, spending.told(got))
            await self._ask_for_more(leg, key, got)
            before = got

    async def _ask_for_more(self, leg: Leg, key: str, short: Shortage) -> None:
        """Have a person raise the budget.

        Raises:
            Overspent: The budget stops runs, or the person does.
            Blocked: Nobody has decided yet.
        """
        said = spending.told(short)
        if short.budget.on_exceeded is OnExceeded.STOP:
            raise Overspent(EXCEEDED, said)
        about, request = jsons.digest(spending.subject(short)), spending.asked(short)
        question = Question(InterruptKind.BUDGET, about, request, "medium", (said,))
        decision = await self._people.ask(leg, f"{key}/budget", question)
        amount = request["amount"] if decision.amount is None else decision.amount
        if decision.kind is not DecisionKind.APPROVE or amount <= 0:
            raise Overspent(EXCEEDED, f"{said}; {_refusal(decision)}")
        more = Raise(
            id=ids.derive(ids.APPROVAL, leg.run.id, f"{key}/{about}"),
            budget=short.budget,
            since=short.since,
            measure=short.measure,
            amount=units(short.measure, amount),
            by=decision.decided_by,
            run_id=leg.run.id,
        )
        await self._budgets.raise_by(more)


def _refusal(decision: Decision) -> str:
    return f"{decision.decided_by} allowed no more" + (f": {decision.reason}" if decision.reason else "")

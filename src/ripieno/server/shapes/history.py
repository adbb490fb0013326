"""What clients ask about a run's past, and how it is shown."""

from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import AliasChoices, BeforeValidator, Field

from ripieno.domain.effects import EffectClass, EffectState
from ripieno.domain.errors import Problem
from ripieno.domain.jsons import Json, JsonObject
from ripieno.engine.core.comparison import Comparison, Likeness, Pair, Side
from ripieno.engine.past.archive import Word
from ripieno.engine.past.fork import ForkWish
from ripieno.engine.past.retry import RetryWish
from ripieno.engine.past.rollback import Plan, RollbackWish
from ripieno.server.errors import ServerProblem
from ripieno.server.shapes.requests import Body, Constraints, Name, goal_in
from ripieno.server.shapes.runs import Shape


def _place(point: object) -> object:
    number = isinstance(point, int) and not isinstance(point, bool) and 0 <= point <= LAST
    if number or (isinstance(point, str) and 0 < len(point) <= LONGEST_KEY):
        return point
    msg = "give an entry's number, or its key"
    raise ValueError(msg)


LAST, LONGEST_KEY = 2**53, 500

Point = Annotated[int | str, BeforeValidator(_place)]
"""A place in a journal: an entry's number, or its key."""

Reason = Annotated[str, Field(max_length=2000)]

OUTCOMES = {"done": EffectState.DONE, "failed": EffectState.FAILED, "abandoned": EffectState.ABANDONED}


class Outcome(Body):
    """Somebody's word on an effect of which nobody knows. Without `run_id` it is the run's own."""

    key: Name
    outcome: Literal["done", "failed", "abandoned"]
    run_id: Name | None = None

    def word(self) -> Word:
        """The same in the words of the engine."""
        return Word(self.key, OUTCOMES[self.outcome], self.run_id)


class Forced(Body):
    """What may be said beside a place."""

    force: bool = False
    reason: Reason = ""
    effects: list[Outcome] = Field(default_factory=list[Outcome])

    def words(self) -> tuple[Word, ...]:
        """What was said of unknown effects."""
        return tuple(outcome.word() for outcome in self.effects)


class RetryRequest(Forced):
    """From where an ended run goes on: the first entry that is done again, by number or key; else where it failed."""

    also_known: ClassVar[tuple[str, ...]] = ("from",)

    start: Point | None = Field(default=None, alias="from")

    def wish(self) -> RetryWish:
        """The same in the words of the engine."""
        return RetryWish(self.start, self.force, self.reason, self.words())


class ForkRequest(Body):
    """From which entry a new run goes on, by number or key, and what is to be different in it.

    `input` is another goal, or an object that holds it beside structured material. `agent_version` is `current`, or a
    version as runs show it.
    """

    also_known: ClassVar[tuple[str, ...]] = ("from",)

    start: Point = Field(alias="from")
    input: Json = None
    context: JsonObject | None = None
    constraints: Constraints | None = None
    model: Name | None = None
    agent_version: Name | None = None
    workflow_version: Json = Field(default=None, description="Not part of this version.")
    dry_run: bool | None = None
    metadata: JsonObject | None = None

    def wish(self) -> ForkWish:
        """The same in the words of the engine.

        Raises:
            ServerProblem: The input is neither a text nor an object, or workflows were asked for.
        """
        if self.workflow_version is not None:
            problems = [Problem("/workflow_version", "not part of this version")]
            raise ServerProblem("workflows_unavailable", "name an agent_version instead", problems)
        changes = self._input()
        if self.context is not None:
            changes["context"] = self.context
        if self.constraints is not None:
            changes["limits"] = self.constraints.limits()
        return ForkWish(self.start, changes, self.model, self.agent_version, self.dry_run, self.metadata)

    def _input(self) -> dict[str, Any]:
        if self.input is None:
            return {}
        if isinstance(self.input, str) and self.input.strip():
            return {"goal": self.input.strip()}
        if not isinstance(self.input, dict):
            raise ServerProblem("invalid", "give another input", [Problem("/input", "a text or an object is needed")])
        data = cast("JsonObject", self.input)
        goal = goal_in(data)
        return {"data": data, **({"goal": goal.strip()} if goal else {})}


class RollbackRequest(Forced):
    """What to undo: everything, or what came after an entry. With `dry_run` the answer says what would be undone."""

    also_known: ClassVar[tuple[str, ...]] = ("preview",)

    to: Point | None = None
    dry_run: bool = Field(default=False, validation_alias=AliasChoices("dry_run", "preview"))

    def wish(self) -> RollbackWish:
        """The same in the words of the engine."""
        return RollbackWish(self.to, self.force, self.reason, self.words())


class UndoView(Shape):
    """An effect, and the call that undoes it."""

    run_id: str
    key: str
    tool: str
    by: str
    arguments: JsonObject


class LastingView(Shape):
    """An effect that cannot be undone, or of which nobody knows whether it happened."""

    run_id: str
    key: str
    tool: str
    effect: EffectClass
    state: EffectState
    reason: str | None = None


class UndoPlan(Shape):
    """What a rollback would do: `undo` in this order; it is refused for what stands in `cannot` or `unknown`."""

    run_id: str
    dry_run: bool = True
    undo: list[UndoView]
    cannot: list[LastingView]
    unknown: list[LastingView]

    @classmethod
    def of(cls, run_id: str, plan: Plan) -> "UndoPlan":
        """Show it."""
        return cls(
            run_id=run_id,
            undo=[UndoView.model_validate(step, from_attributes=True) for step in plan.steps],
            cannot=[LastingView.model_validate(item) for item in plan.cannot],
            unknown=[LastingView.model_validate(item) for item in plan.unknown],
        )


class SideView(Shape):
    """An entry in one of two runs."""

    seq: int
    key: str
    type: str
    summary: str

    @classmethod
    def of(cls, side: Side) -> "SideView":
        """Show it."""
        return cls(seq=side.seq, key=side.key, type=side.type.value, summary=side.summary)


class PairView(Shape):
    """What two runs have under one key, without its generation."""

    key: str
    status: Likeness
    a: SideView | None
    b: SideView | None

    @classmethod
    def of(cls, pair: Pair) -> "PairView":
        """Show it."""
        a, b = (SideView.of(side) if side else None for side in (pair.a, pair.b))
        return cls(key=pair.key, status=pair.likeness, a=a, b=b)


class DiffView(Shape):
    """Two runs side by side. `diverges_at` is the first key at which they are not the same; None where they are."""

    a: str
    b: str
    same: int
    changed: int
    only_in_a: int
    only_in_b: int
    diverges_at: str | None
    data: list[PairView]

    @classmethod
    def of(cls, a: str, b: str, comparison: Comparison) -> "DiffView":
        """Show it."""
        counts = {likeness.value: comparison.count(likeness) for likeness in Likeness}
        pairs = [PairView.of(pair) for pair in comparison.pairs]
        return cls(a=a, b=b, **counts, diverges_at=comparison.diverges_at, data=pairs)

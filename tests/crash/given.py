"""What the crash tests run: an agent with every class of effect, and a team that plans, works, reviews and delivers."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ripieno.domain.agents import AgentDefinition
from ripieno.domain.effects import EffectClass
from ripieno.domain.jsons import JsonObject
from ripieno.domain.tools import Risk, ToolSpec
from ripieno.testing.crashtest.judging import Verdict, judge
from ripieno.testing.crashtest.nursery import Child, Nursery
from ripieno.testing.crashtest.plans import Fault, Life, Model, Plan
from ripieno.testing.crashtest.witness import Witness

ROOT = Path(__file__).parents[2]

NUMBERED: JsonObject = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
FILE: JsonObject = {
    "type": "object",
    "properties": {"path": {"type": "string"}, "content": {"type": "string"}},
    "required": ["path", "content"],
}

TOOLS = (
    ToolSpec("shop.look", "Look at the goods of the shop", NUMBERED, effect=EffectClass.READ),
    ToolSpec("shop.put", "Put goods into the shop", NUMBERED, effect=EffectClass.IDEMPOTENT),
    ToolSpec("shop.pay", "Pay for goods", NUMBERED, effect=EffectClass.IRREVERSIBLE),
    ToolSpec("mail.read", "Read letters", NUMBERED, effect=EffectClass.READ),
    ToolSpec("mail.send", "Send letters", NUMBERED, effect=EffectClass.RECONCILABLE),
    ToolSpec("mail.burn", "Burn letters", NUMBERED, effect=EffectClass.IRREVERSIBLE, risk=Risk.HIGH),
    ToolSpec("files.write", "Write a file", FILE, effect=EffectClass.IRREVERSIBLE, risk=Risk.HIGH),
)


def agent(name: str, **fields: Any) -> AgentDefinition:
    return AgentDefinition.model_validate({"name": name, **fields})


CLERK = agent("clerk", tools=["shop", "mail", "person.ask"], approvals=["shop.pay"])

TEAM = (
    agent("team", mode="collaborative", members=["planner", "merchant", "postman", "executor", "reviewer"]),
    agent("planner", role="planner"),
    agent("merchant", role="worker", description="Looks after goods in the shop", tools=["shop"]),
    agent("postman", role="worker", description="Looks after letters", tools=["mail"]),
    agent("executor", role="executor", tools=["files.write"]),
    agent("reviewer", role="reviewer"),
)

ONE_RUN = Plan("clerk", "look after the shop", (CLERK,), TOOLS, Model.SCRIPTED)
MANY_RUNS = Plan("clerk", "look after the shop", (CLERK,), TOOLS, Model.SCRIPTED, runs=25, latency=0.002)
TEAM_RUN = Plan(
    "team",
    "Look at the goods of the shop, read the letters and write the report to report.md",
    TEAM,
    TOOLS,
    Model.SCRIPTED,
)


@dataclass
class Story:
    """A plan's lives on one store, one after the other."""

    nursery: Nursery
    folder: Path
    plan: Plan
    lives: int = field(default=0)

    def begin(self, fault: Fault | None = None, *, attended: bool = True) -> Child:
        self.lives += 1
        return self.nursery.bear(Life(self.plan, self.folder, self.lives, fault, attended))

    def live(self, fault: Fault | None = None, *, attended: bool = True) -> int:
        """A whole life; answers its exit code."""
        return self.begin(fault, attended=attended).ended()

    def lines(self) -> list[JsonObject]:
        return Witness(self.folder / "witness").lines()

    def runs(self) -> list[JsonObject]:
        """The runs as the last life left them."""
        return [line for line in self.lines() if line["what"] == "rested"][-1]["runs"]

    def judged(self, clean: list[JsonObject] | None = None) -> Verdict:
        """What all this came to; nothing may be wrong."""
        verdict = judge(self.lines(), clean)
        assert not verdict.findings, (verdict.findings, (self.folder / "log").read_text())
        assert verdict.ended == verdict.runs > 0
        return verdict

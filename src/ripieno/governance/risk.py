"""The gate's first rule set: an agent's own list of approvals, and the risk that a tool declares."""

from fnmatch import fnmatchcase

from ripieno.domain.policies import Action, Ruling, Verdict
from ripieno.domain.tools import Risk

ORDER = (Risk.LOW, Risk.MEDIUM, Risk.HIGH)


class RiskGate:
    """`ports.Gate`: asks a person about tools on the agent's approvals list, and from a level of risk on."""

    def __init__(self, ask_from: Risk) -> None:
        self._ask_from = ORDER.index(ask_from)
        self._version = f"risk/{ask_from.value}"

    def decide(self, action: Action) -> Verdict:
        """Rule on it; the reasons say which of the two rules asks."""
        tool = action.tool
        rules: list[tuple[str, str]] = []
        if any(fnmatchcase(tool.name, pattern) for pattern in action.approvals):
            rules.append(("agent.approvals", f"agent {action.agent} needs an approval for {tool.name}"))
        if ORDER.index(tool.risk) >= self._ask_from:
            rules.append(("tool.risk", f"{tool.name} has {tool.risk.value} risk"))
        ruling = Ruling.ASK if rules else Ruling.ALLOW
        reasons, rule_ids = tuple(why for _, why in rules), tuple(rule for rule, _ in rules)
        return Verdict(ruling, reasons, rule_ids, tool.risk.value, self._version)

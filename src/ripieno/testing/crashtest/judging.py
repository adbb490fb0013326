"""What the witness proves: a pure reading of its lines."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ripieno.domain.effects import EffectClass, EffectState
from ripieno.domain.entries import EntryType
from ripieno.domain.interrupts import InterruptKind
from ripieno.domain.jsons import JsonObject
from ripieno.domain.runs import TERMINAL

SETTLED = frozenset({EffectState.DONE, EffectState.FAILED, EffectState.ABANDONED})
ONCE = frozenset({EffectClass.RECONCILABLE, EffectClass.IRREVERSIBLE})


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must not be.

    `kind` is `repeated` (a completed call was made again), `lost`, `doubled`, `strange` (an effect that the clean run
    has not), `unfinished` or `different` (the run did not end as the clean one).
    """

    kind: str
    detail: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What many lives on one store came to.

    `effects` counts by class the tool calls that happened, each once; `again` those that were rightly made again,
    because nobody knew whether they had happened and their class allows it; `asked` the lost calls that were put to a
    person.
    """

    findings: tuple[Finding, ...] = ()
    effects: Counter[str] = field(default_factory=Counter[str])
    doubled: Counter[str] = field(default_factory=Counter[str])
    again: Counter[str] = field(default_factory=Counter[str])
    asked: int = 0
    ended: int = 0
    runs: int = 0

    def count(self, kind: str) -> int:
        """How many findings are of a kind."""
        return sum(finding.kind == kind for finding in self.findings)


def judge(lines: Sequence[JsonObject], clean: Sequence[JsonObject] | None = None) -> Verdict:
    """Read a witness. `clean` are the lines of a life that nobody disturbed, which says what should have happened."""
    calls = [line for line in lines if line["what"] == "called"]
    doubled, again, findings = _several(calls)
    last = _last(lines)
    findings += [*_repeated(lines), *_forgotten(lines, last), *_unsettled(last, calls), *_gaps(last)]
    findings += _unlike(last, calls, clean) if clean is not None else _unended(last)
    unknown = [line for line in lines if line["what"] == "decided" and line["kind"] == InterruptKind.UNKNOWN_EFFECT]
    return Verdict(
        tuple(findings),
        effects=Counter(effect for effect in {_identity(call): call["effect"] for call in calls}.values()),
        doubled=doubled,
        again=again,
        asked=len({(line["run"], line["key"]) for line in unknown}),
        ended=sum(run["status"] in TERMINAL for run in last),
        runs=len(last),
    )


def boundaries(lines: Iterable[JsonObject]) -> list[str]:
    """The names of all commits, in the order in which they came."""
    return list(dict.fromkeys(line["place"] for line in lines if line["what"] == "committed"))


def _identity(call: JsonObject) -> tuple[str, str, str]:
    return call["run"], call["key"], call["tool"]


def _last(lines: Sequence[JsonObject]) -> list[JsonObject]:
    """The runs as the last life left them."""
    rests = [line["runs"] for line in lines if line["what"] == "rested"]
    return rests[-1] if rests else []


def _several(calls: Sequence[JsonObject]) -> tuple[Counter[str], Counter[str], list[Finding]]:
    """The calls that were made more than once: wrongly, rightly, and what to say about the wrong ones."""
    doubled, again, findings = Counter[str](), Counter[str](), list[Finding]()
    keys: dict[tuple[str, str, str], list[JsonObject]] = {}
    for call in calls:
        keys.setdefault(_identity(call), []).append(call)
    for (_, key, tool), made in keys.items():
        effect, names = made[0]["effect"], {call["idempotency_key"] for call in made}
        if len(made) > 1 and (effect in ONCE or (effect == EffectClass.IDEMPOTENT and len(names) > 1)):
            doubled[effect] += len(made) - 1
            findings.append(Finding("doubled", f"{tool} ({effect}) was called {len(made)} times for {key}"))
        else:
            again[effect] += len(made) - 1
    return doubled, +again, findings


def _repeated(lines: Sequence[JsonObject]) -> list[Finding]:
    """Calls that were made although their outcome was committed before."""
    completed, findings = set[tuple[str, str]](), list[Finding]()
    wanted, known = _replies(_last(lines)), Counter[str]()
    for line in lines:
        match line["what"]:
            case "born":
                completed |= {(run["run"], key) for run in line["runs"] for _, key, _, _ in run["entries"]}
                known = _replies(line["runs"])
            case "committed":
                completed |= {(line["run"], key) for key, _, _ in line.get("entries", ())}
                known.update(mark for _, kind, mark in line.get("entries", ()) if kind == EntryType.MODEL_REPLIED)
            case "called" if (line["run"], line["key"]) in completed:
                findings.append(Finding("repeated", f"{line['tool']} was called again for {line['key']}"))
            case "thought" if 0 < wanted[line["fingerprint"]] <= known[line["fingerprint"]]:
                findings.append(Finding("repeated", "the model was asked again for a reply that was committed"))
            case _:
                pass
    return findings


def _replies(runs: Sequence[JsonObject]) -> Counter[str]:
    """Replies by the conversation that they go on with: two runs may have the same."""
    replied = EntryType.MODEL_REPLIED
    return Counter(mark for run in runs for _, _, kind, mark in run["entries"] if kind == replied)


def _forgotten(lines: Sequence[JsonObject], last: Sequence[JsonObject]) -> list[Finding]:
    """Entries that were acknowledged and are not there."""
    there = {(run["run"], key) for run in last for _, key, _, _ in run["entries"]}
    told = {
        (line["run"], key): line["place"]
        for line in lines
        if line["what"] == "committed"
        for key, _, _ in line.get("entries", ())
    }
    return [
        Finding("lost", f"{told[one]} was acknowledged and is not in the journal") for one in told if one not in there
    ]


def _unsettled(last: Sequence[JsonObject], calls: Sequence[JsonObject]) -> list[Finding]:
    """Effects without a known outcome in runs that ended, and effects said to be done that never happened."""
    findings: list[Finding] = []
    happened = {_identity(call) for call in calls}
    for run in last:
        if run["status"] not in TERMINAL:
            continue
        for key, attempt, tool, state in run["effects"]:
            final = max(number for other, number, _, _ in run["effects"] if other == key) == attempt
            if final and state not in SETTLED:
                findings.append(Finding("lost", f"nobody knows what became of {tool} for {key}: {state}"))
            if state == EffectState.DONE and (run["run"], key, tool) not in happened:
                findings.append(Finding("lost", f"{tool} for {key} is on record as done and never happened"))
    return findings


def _gaps(last: Sequence[JsonObject]) -> list[Finding]:
    """Journals whose entries are not numbered 1 to `last_seq`."""
    wrong = [run for run in last if [row[0] for row in run["entries"]] != list(range(1, run["last_seq"] + 1))]
    return [Finding("lost", f"the journal of {run['run']} has gaps") for run in wrong]


def _unended(last: Sequence[JsonObject]) -> list[Finding]:
    if not last:
        return [Finding("unfinished", "no life reached its end")]
    left = [run for run in last if run["status"] not in TERMINAL]
    return [Finding("unfinished", f"{run['agent']} is still {run['status']}") for run in left]


def _unlike(last: Sequence[JsonObject], calls: Sequence[JsonObject], clean: Sequence[JsonObject]) -> list[Finding]:
    """What the clean run has and this one has not, and the other way round."""
    should = {run["run"]: run for run in _last(clean)}
    did = {run["run"]: run for run in last}
    findings = _unended(last)
    for run_id, run in should.items():
        ending = did.get(run_id, {}).get("status"), did.get(run_id, {}).get("reason")
        if run_id not in did:
            findings.append(Finding("lost", f"the run of {run['agent']} is not there"))
        elif ending[0] in TERMINAL and ending != (run["status"], run["reason"]):
            findings.append(Finding("different", f"{run['agent']} ended as {ending[0]} ({ending[1]})"))
    wanted = {_identity(line) for line in clean if line["what"] == "called"}
    happened = {_identity(call) for call in calls}
    findings += [Finding("lost", f"{tool} for {key} never happened") for _, key, tool in sorted(wanted - happened)]
    findings += [Finding("strange", f"{tool} for {key} is new") for _, key, tool in sorted(happened - wanted)]
    return findings

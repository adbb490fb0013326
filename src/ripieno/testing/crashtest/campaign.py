"""The whole crash test: a life that nobody disturbs, then one for each side of each boundary, and what follows it."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from queue import SimpleQueue

from ripieno.domain.errors import Invalid
from ripieno.domain.jsons import JsonObject
from ripieno.testing.crashtest.boundaries import sides
from ripieno.testing.crashtest.judging import Finding, Verdict, boundaries, judge
from ripieno.testing.crashtest.life import ENDED
from ripieno.testing.crashtest.nursery import Nursery, Overdue
from ripieno.testing.crashtest.plans import Fault, Life, Plan
from ripieno.testing.crashtest.recording import followed
from ripieno.testing.crashtest.witness import Witness

MAX_LIVES = 5
"""How often a run is begun again before it counts as one that does not end."""

CLEAN = "clean"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What to try: `boundaries` of them, spread evenly (None: all), or `only` one. `seconds` is the time of a life.

    `path` is where the plan's rig is imported from, `nurseries` how many lives there are at a time.
    """

    boundaries: int | None = None
    only: Fault | None = None
    seconds: float = 60.0
    path: tuple[Path, ...] = ()
    nurseries: int = 2


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one fault. `reached` is False when the life ended before it came to its fault."""

    name: str
    place: str
    verdict: Verdict
    lives: int
    reached: bool = True


@dataclass(frozen=True, slots=True)
class Report:
    """What came of all of them. `places` are the boundaries of the clean run, in order."""

    plan: Plan
    clean: Trial
    places: tuple[str, ...] = ()
    trials: tuple[Trial, ...] = ()
    folder: Path = field(default_factory=Path)

    @property
    def passed(self) -> bool:
        """Whether nothing was found."""
        return not any(trial.verdict.findings for trial in self._all)

    @property
    def ended(self) -> int:
        """In how many trials every run ended."""
        return sum(trial.verdict.runs > 0 and trial.verdict.ended == trial.verdict.runs for trial in self.trials)

    @property
    def lives(self) -> int:
        """How many processes there were."""
        return sum(trial.lives for trial in self._all)

    @property
    def asked(self) -> int:
        """How many lost calls were put to a person."""
        return sum(trial.verdict.asked for trial in self.trials)

    @property
    def again(self) -> Counter[str]:
        """Calls made again because nobody knew and their class allows it, by class."""
        return sum((trial.verdict.again for trial in self.trials), Counter[str]())

    @property
    def doubled(self) -> Counter[str]:
        """Effects that happened twice, by class."""
        return sum((trial.verdict.doubled for trial in self._all), Counter[str]())

    @property
    def recorded(self) -> JsonObject | None:
        """Which run was played again, how it ended, and whether the clean run was the same."""
        recording = self.plan.recording
        if recording is None:
            return None
        rests = [
            line["runs"]
            for line in Witness(Life(self.plan, self.folder / CLEAN).witness).lines()
            if line["what"] == "rested"
        ]
        same = bool(rests) and followed(recording, rests[-1])
        return {"run_id": recording.run_id, "status": recording.status, "followed": same}

    def count(self, kind: str) -> int:
        """How many findings of a kind there are."""
        return sum(trial.verdict.count(kind) for trial in self._all)

    def findings(self) -> Iterable[tuple[Trial, Finding]]:
        """Each finding with its trial."""
        return [(trial, finding) for trial in self._all for finding in trial.verdict.findings]

    def as_json(self) -> JsonObject:
        """The report as one document."""
        return {
            "agent": self.plan.agent,
            "goal": self.plan.goal,
            "model": "recorded" if self.plan.recording else self.plan.model.value,
            "recorded": self.recorded,
            "passed": self.passed,
            "boundaries": len(self.places),
            "tried": len(self.trials),
            "not_reached": [trial.name for trial in self.trials if not trial.reached],
            "lives": self.lives,
            "ended": self.ended,
            "repeated": self.count("repeated"),
            "lost": self.count("lost"),
            "doubled": dict(self.doubled),
            "effects": dict(self.clean.verdict.effects),
            "made_again": dict(self.again),
            "asked": self.asked,
            "findings": [
                {"boundary": trial.name, "place": trial.place, "kind": finding.kind, "detail": finding.detail}
                for trial, finding in self.findings()
            ],
        }

    @property
    def _all(self) -> tuple[Trial, ...]:
        return self.clean, *self.trials


def crashtest(
    plan: Plan, folder: Path, wishes: Wishes | None = None, told: Callable[[int, int], None] | None = None
) -> Report:
    """Try a plan. `told` hears how many trials are done, of how many. Each trial leaves a folder of its own.

    Raises:
        Invalid: There is no such boundary as was wanted, or the folder holds an earlier crash test.
    """
    wishes = wishes or Wishes()
    if (folder / CLEAN).exists():
        raise Invalid(f"{folder} holds an earlier crash test; name another folder")
    with ExitStack() as stack:
        idle: SimpleQueue[Nursery] = SimpleQueue()
        for _ in range(wishes.nurseries):
            idle.put(stack.enter_context(Nursery(wishes.path)))
        tester = _Tester(plan, folder, wishes, idle)
        clean = tester.undisturbed()
        lines = Witness(Life(plan, folder / CLEAN).witness).lines()
        places = boundaries(lines)
        if clean.verdict.count("unfinished"):
            return Report(plan, clean, tuple(places), folder=folder)
        faults = _chosen(places, wishes)
        trials: list[Trial] = []
        with ThreadPoolExecutor(wishes.nurseries) as pool:
            for trial in pool.map(partial(tester.killed, places, lines), faults):
                trials.append(trial)
                if told:
                    told(len(trials), len(faults))
    return Report(plan, clean, tuple(places), tuple(trials), folder)


def _chosen(places: Sequence[str], wishes: Wishes) -> list[Fault]:
    if wishes.only is not None:
        return [Fault(wishes.only.when, _place(places, wishes.only.place))]
    wanted = len(places) if wishes.boundaries is None else min(wishes.boundaries, len(places))
    step = (len(places) - 1) / max(1, wanted - 1)
    return [
        Fault(when, places[round(number * step)])
        for number in range(wanted)
        for when in sides(places[round(number * step)])
    ]


def _place(places: Sequence[str], wanted: str) -> str:
    """The boundary with this number or name."""
    if wanted.isdecimal() and 0 < int(wanted) <= len(places):
        return places[int(wanted) - 1]
    if wanted not in places:
        raise Invalid(f"there is no boundary {wanted}; the clean run has 1 to {len(places)}")
    return wanted


class _Tester:
    """Tries faults; safe to use from several threads."""

    def __init__(self, plan: Plan, folder: Path, wishes: Wishes, idle: SimpleQueue[Nursery]) -> None:
        self._plan = plan
        self._folder = folder
        self._wishes = wishes
        self._idle = idle

    def undisturbed(self) -> Trial:
        """The clean run."""
        life = Life(self._plan, self._folder / CLEAN)
        died, lives = self._lives(life, MAX_LIVES)
        return Trial(CLEAN, CLEAN, _with(judge(Witness(life.witness).lines()), died), lives)

    def killed(self, places: Sequence[str], clean: Sequence[JsonObject], fault: Fault) -> Trial:
        """Die at a fault, then live on."""
        number = places.index(fault.place) + 1
        name = f"{fault.when.value}:{number}"
        life = Life(self._plan, self._folder / f"{number}-{fault.when.value}", fault=fault)
        died, lives = self._lives(life, MAX_LIVES)
        verdict = judge(Witness(life.witness).lines(), clean)
        return Trial(name, fault.place, _with(verdict, died), lives, reached=lives > 1)

    def _lives(self, life: Life, most: int) -> tuple[str, int]:
        """Live until the end: what the last life died of (nothing, if it did not), and how many there were."""
        nursery = self._idle.get()
        died = ""
        try:
            for number in range(1, most + 1):
                fault = life.fault if number == 1 else None
                code = nursery.bear(Life(life.plan, life.folder, number, fault)).ended(self._wishes.seconds)
                if code == ENDED:
                    return "", number
                died = f"a process ended with {code}; the last line of its log: {_last_line(life.folder / 'log')}"
        except Overdue:
            return f"a process did not end in {self._wishes.seconds:g} s", most
        finally:
            self._idle.put(nursery)
        return died, most


def _with(verdict: Verdict, died: str) -> Verdict:
    """The verdict, and why no life came to its end."""
    if not died:
        return verdict
    kept = tuple(finding for finding in verdict.findings if finding.kind != "unfinished")
    finding = Finding("unfinished", died)
    return Verdict(
        (*kept, finding),
        verdict.effects,
        verdict.doubled,
        verdict.again,
        verdict.asked,
        ended=0,
        runs=verdict.runs,
    )


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return lines[-1] if lines else "nothing"

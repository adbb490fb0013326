"""What the scripted agent can be asked, and how many entries its run then has."""

import re

from bench.programs import STEPS

AGENT = "bench"

NUMBERS = re.compile(r"[0-9.]+")


def look_up(steps: int, *, think_ms: float = 0, work_ms: float = 0) -> str:
    """A goal that takes so many steps: the model calls a tool for each word, and with an odd number answers at last.

    `think_ms` is how long the model takes for each answer, `work_ms` how long the tool takes.
    """
    return f"Look up {steps // 2} words; think {think_ms:g} ms, work {work_ms:g} ms."


def parts(goal: str) -> tuple[int, float, float]:
    """Words, and the milliseconds of thinking and working, of such a goal."""
    words, think_ms, work_ms = NUMBERS.findall(goal.rstrip("."))
    return int(words), float(think_ms), float(work_ms)


def entries(steps: int) -> int:
    """How many entries a run of `look_up(steps)` has: also its start, its last answer and its end."""
    return steps // 2 * 2 + 3


LOOK_UP = look_up(STEPS)
SLOWLY = look_up(STEPS, work_ms=20)
ENTRIES = entries(STEPS)

WHEN = "Say when you were asked."
"""The answer is `time.monotonic_ns()`: that clock is the same in every process of a machine."""

ASK = "Ask the person, and then say when you were asked again."

"""What the scripted agent can be asked, and how many entries its run then has."""

from bench.programs import STEPS

AGENT = "bench"
CALLS = STEPS // 2

LOOK_UP = "Look up five words."
SLOWLY = "Look up five words, slowly."
ENTRIES = STEPS + 3
"""Of such a run: its start, five answers that call a tool, five results, the last answer, its end."""

WHEN = "Say when you were asked."
"""The answer is `time.monotonic_ns()`: that clock is the same in every process of a machine."""

"""What another import changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Difference:
    """Names of tools, in order."""

    added: Sequence[str]
    changed: Sequence[str]
    removed: Sequence[str]


def difference(before: Mapping[str, object], after: Mapping[str, object]) -> Difference:
    """What is there now and was not, what is another than before, what is gone."""
    return Difference(
        added=sorted(after.keys() - before.keys()),
        changed=sorted(name for name, one in after.items() if name in before and before[name] != one),
        removed=sorted(before.keys() - after.keys()),
    )

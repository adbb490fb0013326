"""How evenly tenants were served."""

from collections import Counter
from collections.abc import Mapping, Sequence


def jain(shares: Sequence[float]) -> float:
    """Jain's index of fairness: 1 when all got the same, 1/n when one of n got everything."""
    total = sum(shares)
    return total**2 / (len(shares) * sum(share**2 for share in shares)) if total else 1.0


def while_all_waited(order: Sequence[str]) -> Mapping[str, int]:
    """How many runs of each tenant were begun up to the moment when the first tenant had none left.

    `order` has the tenants of all runs in the order in which the runs were begun.
    """
    left = Counter(order)
    begun = Counter(dict.fromkeys(left, 0))
    for tenant in order:
        begun[tenant] += 1
        if begun[tenant] == left[tenant]:
            break
    return begun

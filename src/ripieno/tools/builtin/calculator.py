"""The toolset `math`."""

from ripieno.domain.effects import EffectClass
from ripieno.domain.tools import ToolResult
from ripieno.tools.builtin.arithmetic import NotArithmetic, Number, evaluate
from ripieno.tools.builtin.wording import report
from ripieno.tools.failures import ToolFailed
from ripieno.tools.functions import tool

_LARGEST_EXACT = 2**53
"""Above it, JSON readers with 64-bit floats would round an integer."""


@tool(
    effect=EffectClass.READ,
    timeout=10,
    keywords=("calculate", "calculator", "compute", "arithmetic", "sum", "multiply", "divide", "square root"),
)
def calculate(expression: str) -> ToolResult:
    """Calculate an arithmetic expression exactly.

    Args:
        expression: For example `(17 + 4) * 2 / sqrt(9)`; ** is the power; knows log, sin, factorial, mean and others.
    """
    try:
        value = evaluate(expression)
    except NotArithmetic as error:
        raise ToolFailed(f"That cannot be calculated: {error}.") from None
    text = _written(value)
    exact = value if isinstance(value, float) or abs(value) <= _LARGEST_EXACT else text
    return report([f"{expression.strip()} = {text}"], {"expression": expression, "value": exact})


def _written(value: Number) -> str:
    if isinstance(value, int):
        return str(value)
    return format(value, ".15g")  # hides what binary fractions add to 0.1 + 0.2

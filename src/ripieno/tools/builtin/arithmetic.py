"""Evaluates arithmetic without `eval`: a syntax tree of numbers, signs and known functions, with bounds on its size."""

import ast
import math
import operator
import re
import statistics
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

from ripieno.tools.builtin.wording import shortened

Number: TypeAlias = int | float

MOST_CHARACTERS = 1_000
MOST_BITS = 12_000
"""Of an integer: about 3,600 digits."""

_MOST_FACTORIAL = 1_000
_MOST_CHOICES = 10_000
_MOST_DIGITS = 100
_SIGNS = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "π": " pi "})  # noqa: RUF001
_PERCENT_OF = re.compile(r"(\d+(?:\.\d+)?)\s*%\s*of\b", re.IGNORECASE)
_CALL = re.compile(r"\w\s*\(")
_THOUSANDS = re.compile(r"(?<![\w.,])\d{1,3}(?:,\d{3})+(?![\w,])")
_CONSTANTS: Mapping[str, float] = {"pi": math.pi, "e": math.e, "tau": math.tau}


class NotArithmetic(ValueError):
    """The expression cannot be evaluated; the text says why, in plain words."""


def evaluate(expression: str) -> Number:
    """The value of an arithmetic expression.

    Knows + - * / // % ** (and ^), brackets, `15 % of 80`, thousands such as 1,234,567, the constants pi, e and tau,
    and the functions in `FUNCTIONS`.

    Raises:
        NotArithmetic: It is none, is too large, or has no value.
    """
    if len(expression) > MOST_CHARACTERS:
        raise NotArithmetic(f"longer than {MOST_CHARACTERS:,} characters")
    try:
        value = _value(ast.parse(_written_out(expression), mode="eval").body)
    except (SyntaxError, ValueError) as error:
        if isinstance(error, NotArithmetic):
            raise
        raise NotArithmetic("not an arithmetic expression") from None
    except (RecursionError, MemoryError):
        raise NotArithmetic("nested too deep") from None
    except ZeroDivisionError:
        raise NotArithmetic("a division by zero") from None
    except OverflowError:
        raise NotArithmetic("the result is too large") from None
    return _checked(value)


def _written_out(expression: str) -> str:
    text = expression.translate(_SIGNS).replace("^", "**")
    text = _PERCENT_OF.sub(r"\1/100*", text)
    if not _CALL.search(text):  # there, commas part arguments
        text = _THOUSANDS.sub(lambda match: match.group().replace(",", ""), text)
    return text.strip().removesuffix("=").strip()


def _value(node: ast.expr) -> Number:
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return _checked(value)
        case ast.Name(id=name) if name in _CONSTANTS:
            return _CONSTANTS[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand)
        case ast.BinOp(left=left, op=sign, right=right):
            return _combined(sign, _value(left), _value(right))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            return _called(name, [_value(argument) for argument in arguments])
        case _:
            raise NotArithmetic(f"{_shown(node)} is not arithmetic")


def _shown(node: ast.expr) -> str:
    return repr(shortened(ast.unparse(node), 40))


def _combined(sign: ast.operator, left: Number, right: Number) -> Number:
    operation = _OPERATORS.get(type(sign))
    if operation is None:
        raise NotArithmetic("only the signs + - * / // % and ** are known")
    return _checked(operation(left, right))


def _power(base: Number, exponent: Number) -> Number:
    whole = isinstance(base, int) and isinstance(exponent, int) and abs(base) > 1
    if whole and abs(exponent) * int(base).bit_length() > MOST_BITS:
        raise NotArithmetic("the result is too large")
    return cast("Number", base**exponent)


def _product(left: Number, right: Number) -> Number:
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() + right.bit_length() > MOST_BITS:
        raise NotArithmetic("the result is too large")
    return left * right


def _called(name: str, arguments: list[Number]) -> Number:
    function = FUNCTIONS.get(name)
    if function is None:
        raise NotArithmetic(f"there is no function {name!r}; there are {', '.join(sorted(FUNCTIONS))}")
    try:
        return _checked(function(*arguments))
    except TypeError:
        raise NotArithmetic(f"{name} does not take {len(arguments)} such arguments") from None
    except NotArithmetic:
        raise
    except ValueError:
        raise NotArithmetic(f"{name} has no value there") from None


def _checked(value: object) -> Number:
    if isinstance(value, complex):
        raise NotArithmetic("the result is not a real number")
    if isinstance(value, float) and not math.isfinite(value):
        raise NotArithmetic("the result is too large")
    if isinstance(value, int) and value.bit_length() > MOST_BITS:
        raise NotArithmetic("the result is too large")
    return cast("Number", value)


def _small(function: Callable[..., int], most: int) -> Callable[..., int]:
    def bounded(*arguments: int) -> int:
        if any(abs(argument) > most for argument in arguments):
            raise NotArithmetic(f"numbers over {most:,} are too large here")
        return function(*arguments)

    return bounded


def _rounded(value: Number, digits: int = 0) -> Number:
    if abs(digits) > _MOST_DIGITS:
        raise NotArithmetic(f"round takes at most {_MOST_DIGITS} digits")
    return round(value, digits) if digits else round(value)


_OPERATORS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: _product,
    ast.Div: lambda left, right: left / right,
    ast.FloorDiv: lambda left, right: left // right,
    ast.Mod: operator.mod,
    ast.Pow: _power,
}

FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "abs": abs,
    "acos": math.acos,
    "asin": math.asin,
    "atan": math.atan,
    "cbrt": math.cbrt,
    "ceil": math.ceil,
    "comb": _small(math.comb, _MOST_CHOICES),
    "cos": math.cos,
    "degrees": math.degrees,
    "exp": math.exp,
    "factorial": _small(math.factorial, _MOST_FACTORIAL),
    "floor": math.floor,
    "gcd": math.gcd,
    "hypot": math.hypot,
    "lcm": math.lcm,
    "ln": math.log,
    "log": math.log,
    "log10": math.log10,
    "log2": math.log2,
    "max": lambda *values: max(values),
    "mean": lambda *values: statistics.fmean(values),
    "median": lambda *values: statistics.median(values),
    "min": lambda *values: min(values),
    "perm": _small(math.perm, _MOST_FACTORIAL),
    "pow": _power,
    "radians": math.radians,
    "round": _rounded,
    "sin": math.sin,
    "sqrt": math.sqrt,
    "sum": lambda *values: sum(values),
    "tan": math.tan,
}
"""What can be called in an expression."""

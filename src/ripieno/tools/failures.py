"""How a tool says that it could not do its work, and how anything that goes wrong in one becomes a typed result."""

import logging
from collections.abc import Sequence

from ripieno.domain import errors
from ripieno.domain.effects import EffectClass
from ripieno.domain.errors import Problem
from ripieno.domain.tools import ToolResult, ToolStatus

_log = logging.getLogger(__name__)


class ToolFailed(Exception):
    """Raise it in a tool: the call did not work. `text` tells the model what happened, `hint` what to do about it."""

    status = ToolStatus.ERROR

    def __init__(self, text: str, hint: str | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.hint = hint


class ToolMissing(ToolFailed):
    """Raise it in a tool: a program or server it needs is not there; `hint` says how to get it."""

    status = ToolStatus.UNAVAILABLE


def failed(tool: str, error: Exception, effect: EffectClass = EffectClass.READ) -> ToolResult:
    """The result of a call that ended in an exception.

    Errors that were raised on purpose speak for themselves. Of all others only the kind is told, because their text
    may hold paths, queries or secrets; the log has the rest. Where such a call could change the world it is lost.
    """
    match error:
        case ToolFailed():
            return ToolResult(error.status, error.text, hint=error.hint)
        case errors.Unavailable():
            return ToolResult(ToolStatus.UNAVAILABLE, error.detail)
        case errors.Denied():
            return ToolResult(ToolStatus.DENIED, error.detail)
        case errors.RipienoError():
            return ToolResult(ToolStatus.ERROR, error.detail)
        case TimeoutError():
            return ToolResult(ToolStatus.TIMEOUT, f"{tool} waited too long for something it needs.")
        case _:
            _log.warning("tool %s failed", tool, exc_info=error)
            return _broken(f"{tool} failed ({type(error).__name__}).", effect)


def _broken(text: str, effect: EffectClass) -> ToolResult:
    if effect is EffectClass.READ:
        return ToolResult(ToolStatus.ERROR, text)
    return ToolResult(ToolStatus.LOST, f"{text} It is not known whether it took effect.")


def not_sent(tool: str) -> ToolResult:
    """The result of a call that waited so long that it may not be made any more."""
    return ToolResult(ToolStatus.NOT_SENT, f"{tool} was not called: its turn came too late.")


def invalid_arguments(tool: str, problems: Sequence[Problem]) -> ToolResult:
    """The result of a call whose arguments do not fit: what is wrong and where, so that a model can mend it."""
    lines = [f"- {problem.pointer or '(arguments)'}: {problem.detail}" for problem in problems]
    text = f"The arguments of {tool} are wrong; mend them and call it again:\n" + "\n".join(lines)
    data = {"problems": [{"pointer": problem.pointer, "detail": problem.detail} for problem in problems]}
    return ToolResult(ToolStatus.INVALID_ARGUMENTS, text, data=data)


def unknown_tool(name: str, near: Sequence[str] = ()) -> ToolResult:
    """The result of a call to a tool that there is not."""
    hint = f"Did you mean {', '.join(near)}?" if near else None
    return ToolResult(ToolStatus.UNKNOWN_TOOL, f"There is no tool {name!r}.", hint=hint)

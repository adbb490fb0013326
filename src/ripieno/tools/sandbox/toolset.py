"""The toolset `sandbox`: code that a model wrote, run where it can harm nothing.

Without network a call changes nothing but the workspace, where its files come out under the same names each time: it
is idempotent. Its risk is medium, because a mistake in the kernel may let code out of any sandbox. With network the
code may do anything to what it reaches: then a call is irreversible and its risk is high.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ripieno.domain.effects import EffectClass
from ripieno.domain.tools import Risk, ToolContext, ToolResult, ToolStatus
from ripieno.tools.builtin import folders
from ripieno.tools.builtin.wording import report, size
from ripieno.tools.failures import ToolFailed
from ripieno.tools.functions import FunctionToolset, tool
from ripieno.tools.sandbox.contract import Ending, Job, Limits, Outcome, Sandbox
from ripieno.tools.sandbox.ways_out import WayOut

_GRACE = 20.0  # seconds for making and removing the sandbox
_MOST_FILES = 50
_CODE = ".code.py"

_ENDINGS = {
    Ending.TIME: "it ran longer than {0.seconds:g} s",
    Ending.CPU: "it used more than {0.cpu_seconds} s of the processor",
    Ending.MEMORY: "it used more than {0.memory} bytes of memory",
    Ending.OUTPUT: "it wrote more than {0.output} bytes of output",
    Ending.KILLED: "its sandbox was ended from inside",
}


def sandbox_toolset(sandbox: Sandbox, limits: Limits, way_out: WayOut | None = None) -> FunctionToolset:
    """`sandbox.run_python` and `sandbox.run_shell`; with a way out, jobs get a network of allowed places."""
    return FunctionToolset("sandbox", _Running(sandbox, limits, way_out).tools(), source="builtin")


class _Running:
    def __init__(self, sandbox: Sandbox, limits: Limits, way_out: WayOut | None) -> None:
        self._sandbox = sandbox
        self._limits = limits
        self._way_out = way_out

    def tools(self) -> Sequence[Callable[..., Awaitable[ToolResult]]]:
        effect = EffectClass.IRREVERSIBLE if self._way_out else EffectClass.IDEMPOTENT
        risk = Risk.HIGH if self._way_out else Risk.MEDIUM
        seconds = self._limits.seconds + _GRACE

        @tool(effect=effect, risk=risk, timeout=seconds, keywords=("run python", "execute code", "compute", "script"))
        async def run_python(
            code: str,
            context: ToolContext,
            files: list[str] | None = None,
            timeout: float | None = None,  # noqa: ASYNC109 - the sandbox's, which ends more than this task
        ) -> ToolResult:
            """Run a Python program in a sandbox and return what it prints; files that it writes come back.

            Args:
                code: The program. It has the standard library and starts in an empty folder.
                context: Whose workspace.
                files: Files of the workspace that it may read, by the same relative paths.
                timeout: Seconds after which it is ended.
            """
            given = {_CODE: code.encode("utf-8", "replace")}
            return await self._run(("python3", "-I", _CODE), given, files, timeout, context)

        @tool(effect=effect, risk=risk, timeout=seconds, keywords=("run shell", "command line", "bash", "execute"))
        async def run_shell(
            command: str,
            context: ToolContext,
            files: list[str] | None = None,
            timeout: float | None = None,  # noqa: ASYNC109 - as above
        ) -> ToolResult:
            """Run a shell command in a sandbox and return what it prints; files that it writes come back.

            Args:
                command: For `sh -c`. It starts in an empty folder.
                context: Whose workspace.
                files: Files of the workspace that it may read, by the same relative paths.
                timeout: Seconds after which it is ended.
            """
            return await self._run(("/bin/sh", "-c", command), {}, files, timeout, context)

        return [run_python, run_shell]

    async def _run(
        self,
        command: Sequence[str],
        own: Mapping[str, bytes],
        paths: Sequence[str] | None,
        timeout: float | None,  # noqa: ASYNC109 - the sandbox's, which ends more than this task
        context: ToolContext,
    ) -> ToolResult:
        limits = _limited(self._limits, timeout)
        files = {**_read(context.workspace, paths or [], limits.disk), **own}
        if self._way_out is None:
            outcome = await self._sandbox.run(Job(command, files), limits)
        else:
            async with self._way_out.opened() as proxy:
                outcome = await self._sandbox.run(Job(command, files, proxy=proxy), limits)
        written, refused = _written(outcome, context)
        return _told(outcome, limits, written, {**outcome.left_out, **refused})


def _limited(limits: Limits, seconds: float | None) -> Limits:
    if seconds is None:
        return limits
    if seconds <= 0:
        raise ToolFailed("The timeout is not above 0.")
    return replace(limits, seconds=min(seconds, limits.seconds))


def _read(workspace: Path, paths: Sequence[str], most: int) -> dict[str, bytes]:
    if len(paths) > _MOST_FILES:
        raise ToolFailed(f"More than {_MOST_FILES} files are given.")
    found: dict[str, bytes] = {}
    room = most
    for path in paths:
        content, total = folders.read(workspace, path, room)
        if total > len(content):
            raise ToolFailed(f"The files are larger than {size(most)} together.")
        found[path] = content
        room -= total
    return found


def _written(outcome: Outcome, context: ToolContext) -> tuple[list[str], dict[str, str]]:
    """Put the files into the workspace, unless nothing is to be done in earnest."""
    done: list[str] = []
    refused: dict[str, str] = {}
    for path, content in outcome.files.items():
        if path == _CODE:
            continue
        try:
            if not context.dry_run:
                folders.write(context.workspace, path, content)
            done.append(path)
        except ToolFailed as error:
            refused[path] = error.text
    return done, refused


def _told(outcome: Outcome, limits: Limits, written: Sequence[str], left_out: Mapping[str, str]) -> ToolResult:
    output = outcome.output.decode("utf-8", "replace")
    errors = outcome.errors.decode("utf-8", "replace")
    ended = _ENDINGS.get(outcome.ending, "").format(limits)
    lines = [
        f"ended: {ended}" if ended else f"exit code {outcome.code}",
        output,
        f"standard error:\n{errors}" if errors else "",
        f"files: {', '.join(written)}" if written else "",
        *(f"left out {path}: {reason}" for path, reason in left_out.items()),
    ]
    data = {
        "ending": outcome.ending.value,
        "exit_code": outcome.code,
        "stdout": output,
        "stderr": errors,
        "files": list(written),
        "left_out": dict(left_out),
    }
    told = report([line for line in lines if line], data)
    if outcome.ending is Ending.EXITED and outcome.code == 0:
        return told
    return ToolResult(ToolStatus.ERROR, told.text, data=told.data)

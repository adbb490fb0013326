import asyncio
import os
import sys
from pathlib import Path

import pytest

from ripieno.tools.builtin import programs
from ripieno.tools.builtin.programs import Limits, Program
from ripieno.tools.failures import ToolMissing

PYTHON = Program("python3", "install Python")


async def test_output_errors_and_code(tmp_path: Path):
    code = "import sys, os; print(os.getcwd()); print('oh', file=sys.stderr); sys.exit(3)"
    finished = await programs.run(PYTHON, ["-c", code], folder=tmp_path)
    assert (finished.code, finished.output.strip(), finished.errors.strip()) == (3, str(tmp_path), "oh")
    assert not finished.truncated


async def test_a_program_sees_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    finished = await programs.run(PYTHON, ["-c", "import os; print(dict(os.environ))"])
    assert "sk-secret" not in finished.output
    assert "C.UTF-8" in finished.output


async def test_arguments_are_no_shell(tmp_path: Path):
    finished = await programs.run(PYTHON, ["-c", "import sys; print(sys.argv[1])", f"$(touch {tmp_path}/x); `id`"])
    assert finished.output.startswith("$(touch")
    assert list(tmp_path.iterdir()) == []


async def test_giant_and_binary_output_is_cut_and_the_program_still_ends():
    code = "import os\nfor _ in range(200): os.write(1, b'\\xff' * 65536)"
    finished = await programs.run(PYTHON, ["-c", code], Limits(output_bytes=1000))
    assert finished.code == 0
    assert finished.truncated
    assert finished.output == "\ufffd" * 1000


async def test_time_over_kills_the_program_and_its_children_and_keeps_what_it_said():
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid, flush=True)\ntime.sleep(60)"
    )
    finished = await programs.run(PYTHON, ["-c", code], Limits(seconds=1.5))
    assert finished.code is None
    await gone(int(finished.output))


async def test_cancellation_kills_the_program(tmp_path: Path):
    mark = tmp_path / "pid"
    code = f"import os, time\nopen({str(mark)!r} + '~', 'w').write(str(os.getpid()))\n"
    code += f"os.rename({str(mark)!r} + '~', {str(mark)!r})\ntime.sleep(60)"
    async with asyncio.TaskGroup() as group:
        task = group.create_task(programs.run(PYTHON, ["-c", code]))
        while not mark.exists():
            await asyncio.sleep(0.01)
        task.cancel()
    assert task.cancelled()
    await gone(int(mark.read_text()))


SERVER = """
import asyncio
from ripieno.tools.builtin.programs import Program, run
asyncio.run(run(Program("python3", ""), ["-c", {code!r}]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parents")
async def test_a_program_ends_with_a_server_that_is_killed(tmp_path: Path):
    mark = tmp_path / "pid"
    code = f"import os, time\nopen({str(mark)!r} + '~', 'w').write(str(os.getpid()))\n"
    code += f"os.rename({str(mark)!r} + '~', {str(mark)!r})\ntime.sleep(60)"
    server = await asyncio.create_subprocess_exec(sys.executable, "-c", SERVER.format(code=code))
    async with asyncio.timeout(20):
        while not mark.exists():
            await asyncio.sleep(0.01)
    server.kill()
    await server.wait()
    await gone(int(mark.read_text()))


async def gone(pid: int) -> None:
    """Wait until a process has ended; a zombie that nobody reaps has."""
    async with asyncio.timeout(20):
        while _alive(pid):
            await asyncio.sleep(0.01)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


async def test_missing_program_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ToolMissing) as caught:
        await programs.run(Program("no-such-program", "apt-get install it"), [])
    assert caught.value.hint == "apt-get install it"


def test_programs_beside_python_are_found_without_a_path(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    assert Program(Path(sys.executable).name, "").find() == sys.executable

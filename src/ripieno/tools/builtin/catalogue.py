"""All toolsets that come with Ripieno."""

from collections.abc import Callable, Sequence
from typing import Any

import httpx2

from ripieno.ports import Clock, Toolset
from ripieno.tools.builtin import calculator, certificates, clocks, code, files, git, logs, names, network, system, web
from ripieno.tools.functions import FunctionToolset


def builtin_toolsets(client: httpx2.AsyncClient, clock: Clock) -> dict[str, Toolset]:
    """The toolsets by name. `client` is the guarded one: everything that a model names is fetched through it."""
    functions: dict[str, Sequence[Callable[..., Any]]] = {
        "math": [calculator.calculate],
        "time": clocks.time_tools(clock),
        "web": [web.fetch_tool(client)],
        "system": system.system_tools(clock),
        "net": [network.ping, names.dns, network.port, network.traceroute, certificates.tls_tool(clock)],
        "logs": logs.log_tools(clock),
        "git": [git.git_tool(clock)],
        "code": [code.review],
        "files": [files.write, files.read, files.list_files],
    }
    return {name: FunctionToolset(name, each, source="builtin") for name, each in functions.items()}

"""The reference says what the code does: every setting, code, route, command, key and entry type, and no other."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from ripieno.cli.exits import Exit
from ripieno.domain.agents import AgentDefinition, AgentLimits, AgentMemory
from ripieno.domain.entries import EntryType
from ripieno.domain.runs import ExitReason
from ripieno.domain.schedules import ScheduleSpec
from ripieno.tools.mcp.config import ServerConfig

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
NESTED = "see below"
NEEDED: dict[type[BaseModel], dict[str, Any]] = {AgentDefinition: {"name": "x"}, ScheduleSpec: {"every": 60}}


def rows(page: str, heading: str) -> dict[str, list[str]]:
    """The first table below a heading: the first cell, without its quotes, to the other ones."""
    text = (DOCS / page).read_text()
    section = text[text.index(f"{heading}\n") :]
    table = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)
    assert table, f"no table below {heading}"
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line[1:-1])] for line in table[0].splitlines()[2:]]
    return {first.strip(" `"): rest for first, *rest in cells}


def test_generated_tables_are_up_to_date():
    done = subprocess.run(
        [sys.executable, "scripts/reference.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("heading", "kind"),
    [
        ("# Agent files", AgentDefinition),
        ("## Limits", AgentLimits),
        ("## Memory", AgentMemory),
        ("## Schedule", ScheduleSpec),
    ],
)
def test_every_key_of_an_agent_is_there_with_its_default(heading: str, kind: type[BaseModel]):
    table = rows("reference/agents.md", heading)
    assert set(table) == set(kind.model_fields)
    defaults: dict[str, Any] = kind.model_validate(NEEDED.get(kind, {})).model_dump(mode="json")
    for key, (default, *_) in table.items():
        if default and default != NESTED:
            assert key in NEEDED.get(kind, {}) or yaml.safe_load(default.strip("`")) == defaults[key], key


def test_every_key_of_an_mcp_server_is_there():
    table = rows("howto/connect-an-mcp-server.md", "## All keys")
    keys = {key.strip("` ") for cell in table for key in cell.split(",")}
    assert keys == set(ServerConfig.model_fields) - {"name"}


def test_every_entry_type_is_there():
    assert set(rows("reference/events.md", "# Entries and events")) == {str(kind) for kind in EntryType}


def test_every_exit_reason_is_there():
    assert set(rows("reference/run-states.md", "## Exit reasons")) == {str(reason) for reason in ExitReason}


def test_every_exit_code_is_there():
    assert set(rows("reference/cli.md", "# Command line")) == {str(int(code)) for code in Exit}

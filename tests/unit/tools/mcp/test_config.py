from pathlib import Path

import pytest

from ripieno.domain.effects import EffectClass
from ripieno.domain.errors import Invalid
from ripieno.domain.tools import Risk
from ripieno.tools.mcp.config import ServerConfig
from ripieno.tools.mcp.loading import load


def written(folder: Path, text: str) -> Path:
    file = folder / "mcp_servers.yaml"
    file.write_text(text)
    return file


def test_servers_are_read(tmp_path: Path):
    text = """
    mcp_servers:
      counter:
        transport: stdio
        command: counter-mcp
        args: [--port, 8080]
        env: {COUNTER_FILE: /tmp/x, TOKEN: "${SECRET}", N: 3}
        effects: {increment: idempotent}
        risks: {reset: high}
        allow: [increment, "get*"]
      plain: {command: plain}
    """
    servers = load(written(tmp_path, text))
    assert servers["counter"] == ServerConfig(
        name="counter",
        command="counter-mcp",
        args=("--port", "8080"),
        env={"COUNTER_FILE": "/tmp/x", "TOKEN": "${SECRET}", "N": "3"},
        effects={"increment": EffectClass.IDEMPOTENT},
        risks={"reset": Risk.HIGH},
        allow=("increment", "get*"),
    )
    assert servers["plain"].trust is False


@pytest.mark.parametrize("text", ["", "mcp_servers:", "mcp_servers: {}"])
def test_no_servers(tmp_path: Path, text: str):
    assert load(written(tmp_path, text)) == {}


def test_no_file(tmp_path: Path):
    assert load(tmp_path / "none.yaml") == {}


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        ("{}", "/mcp_servers/x", "mcp_servers.x: a stdio server needs a command"),
        ("3", "/mcp_servers/x", "mcp_servers.x: a stdio server needs a command"),
        ("{command: [a]}", "/mcp_servers/x/command", "mcp_servers.x.command: Input should be a valid string"),
        ("{command: a, arg: [b]}", "/mcp_servers/x/arg", "mcp_servers.x.arg: Extra inputs are not permitted"),
        ("{command: a, effects: {f: safe}}", "/mcp_servers/x/effects/f", "mcp_servers.x.effects.f: Input should be"),
        (
            "{command: a, compensate: {f: {}}}",
            "/mcp_servers/x/compensate/f/tool",
            "mcp_servers.x.compensate.f.tool: Field",
        ),
        ("{command: a, timeout: 0}", "/mcp_servers/x/timeout", "mcp_servers.x.timeout: Input should be greater than 0"),
        ("{transport: http, url: 'http://a', command: a}", "/mcp_servers/x", "a server over http has no command"),
        ("{transport: sse}", "/mcp_servers/x", "mcp_servers.x: a server over sse needs a url (line 3)"),
        ("{transport: carrier}", "/mcp_servers/x/transport", "mcp_servers.x.transport: Input should be"),
    ],
)
def test_wrong_keys_are_named(tmp_path: Path, body: str, pointer: str, detail: str):
    with pytest.raises(Invalid) as caught:
        load(written(tmp_path, f"mcp_servers:\n  good: {{command: a}}\n  x: {body}\n"))
    (problem,) = caught.value.problems
    assert problem.pointer == pointer
    assert detail in problem.detail
    assert "mcp_servers.yaml" in caught.value.detail


@pytest.mark.parametrize("text", ["[1]", "3", "servers: {}", "mcp_servers: [a]", "{mcp_servers: {}, more: 1}"])
def test_file_of_another_shape(tmp_path: Path, text: str):
    with pytest.raises(Invalid, match="one key, mcp_servers"):
        load(written(tmp_path, text))


def test_broken_yaml_tells_the_line(tmp_path: Path):
    with pytest.raises(Invalid, match=r"mcp_servers\.yaml.* line 2"):
        load(written(tmp_path, "mcp_servers:\n  a: ]"))


def test_unreadable_file(tmp_path: Path):
    with pytest.raises(Invalid, match="cannot be read"):
        load(tmp_path)


def test_name_that_models_cannot_use(tmp_path: Path):
    with pytest.raises(Invalid, match="cannot be the name"):
        load(written(tmp_path, "mcp_servers: {'a.b': {command: a}}"))

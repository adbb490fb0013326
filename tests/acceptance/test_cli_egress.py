"""Rules about egress on a real server: what it says it would do, what it does, and what is on record then."""

from collections.abc import Generator
from pathlib import Path

import httpx2
import pytest

from tests.acceptance.command_line import Server, ripieno, serving

pytestmark = pytest.mark.acceptance

RULES = """
[[tools.egress.rules]]
name = "no-weather"
action = "deny"
domains = [".weather.test"]
tools = ["web.*"]
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    home = tmp_path_factory.mktemp("home")
    (home / "ripieno.toml").write_text(RULES)
    with serving(home) as found:
        yield found


def test_what_would_happen(server: Server, tmp_path: Path) -> None:
    def check(*arguments: str) -> tuple[int, str]:
        done = ripieno(tmp_path, "egress", "check", *arguments, "--url", server.url)
        return done.code, done.out

    denied = (1, "denied: the rule no-weather denies it\n")
    assert check("https://api.weather.test/", "--tool", "web.fetch") == denied
    assert check("http://10.0.0.1/", "--tool", "web.fetch")[1].startswith("denied: 10.0.0.1 is not a public address")
    assert check("https://1.1.1.1:99/") == (1, "denied: port 99 is not allowed\n")
    assert check("https://1.1.1.1/") == (0, "allowed: public address of an allowed host\naddresses: 1.1.1.1\n")
    wrong = ripieno(tmp_path, "egress", "check", "ftp://a.test", "--url", server.url)
    assert (wrong.code, "is not an http or https URL" in wrong.err) == (2, True)


def test_a_denial_is_an_event(server: Server) -> None:
    with httpx2.Client(base_url=server.url, trust_env=False) as client:
        call = {"arguments": {"url": "https://api.weather.test/"}}
        answer = client.post("/v1/tools/web.fetch/call", json=call, params={"wait": 20}).json()
        assert "the rule no-weather denies api.weather.test" in repr(answer)
        (event,) = client.get("/v1/events", params={"type": "egress.decided"}).json()["data"]
    body = event["data"] if "data" in event else event["body"]
    assert body["host"] == "api.weather.test"
    assert (body["tool"], body["rule"], body["allowed"], body["method"]) == ("web.fetch", "no-weather", False, "GET")

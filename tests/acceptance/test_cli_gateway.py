"""`ripieno providers` and `ripieno routing`, with a server and a model that is elsewhere."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.acceptance.command_line import Ended, ripieno, serving
from tests.wire.openai_server import OpenAIServer, says

pytestmark = pytest.mark.acceptance

RULES = 'rules:\n  - {route: smart, candidates: ["mine:small"]}\n'


async def test_a_provider_and_rules_from_set_up_to_rollback(tmp_path: Path):
    async with OpenAIServer([says("Good day.")] * 9) as model:
        with serving(tmp_path) as server:

            def told(*arguments: str) -> Ended:
                return ripieno(tmp_path, *arguments, "--url", server.url)

            async def asked(*arguments: str) -> Ended:
                return await asyncio.to_thread(told, *arguments)

            added = await asked("providers", "add", "mine", "openai_compatible", "small", "--base-url", model.url)
            assert (added.code, added.out) == (0, "mine is set up; mine:small asks it\n")
            assert (await asked("providers", "test", "mine")).out.startswith("mine:small answered in ")
            assert "mine" in (await asked("providers", "list")).out
            (tmp_path / "rules.yaml").write_text(RULES)
            tried = await asked("routing", "simulate", "smart", "--rules", "rules.yaml", "--last", "5")
            assert tried.out.splitlines()[0] == "mine:small, by rule 1"
            assert tried.out.splitlines()[1].startswith("of the last 0: ")
            assert (await asked("routing", "show")).out.startswith("nothing is published")
            for version in ("one", "two"):
                done = await asked("routing", "publish", "rules.yaml", "--version", version)
                assert done.out == f"{version} is in force\n"
            assert (await asked("routing", "rollback", "one")).out == "one is in force\n"
            shown = await asked("routing", "show", "--json")
            assert json.loads(shown.out)["stable"]["version"] == "one"
            removed = await asked("providers", "remove", "mine")
            assert (removed.code, removed.out) == (0, "mine is forgotten\n")
            assert (await asked("providers", "test", "mine")).code != 0


def test_what_cannot_be_is_said(tmp_path: Path):
    refused = ripieno(tmp_path, "providers", "add", "mine", "openai", "small", "--api-key", "sk-12345678")
    assert (refused.code, "secret://NAME" in refused.err, "sk-1" in refused.err) == (2, True, False)
    assert "cannot be read" in ripieno(tmp_path, "routing", "publish", "none.yaml").err
    (tmp_path / "empty.yaml").write_text("x: 1\n")
    assert "has no rules" in ripieno(tmp_path, "routing", "publish", "empty.yaml").err

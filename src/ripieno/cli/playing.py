"""Fetches a run and all that it started, to play them again."""

from ripieno.cli.api import Api
from ripieno.cli.command import carry_out
from ripieno.cli.connection import Where
from ripieno.cli.exits import Exit
from ripieno.domain.jsons import JsonObject
from ripieno.settings import Settings
from ripieno.testing.crashtest.plans import Plan
from ripieno.testing.crashtest.recording import Journal, plan_of

PAGE = 100


def played(run_id: str, where: Where, own: Settings) -> Plan:
    """The plan that plays a run again. Raises `Stop`, and `Invalid` for a run that has not ended."""
    family: list[Journal] = []

    async def fetch(api: Api) -> Exit:
        waiting = [run_id]
        while waiting:
            run: JsonObject = await api.get(f"/v1/runs/{waiting.pop(0)}")
            entries = await _all(api, f"/v1/runs/{run['id']}/entries", "after")
            family.append(Journal(run["id"], run["target"], run["status"], entries))
            waiting += [child["id"] for child in await _all(api, "/v1/runs", "cursor", parent_id=run["id"])]
        return Exit.COMPLETED

    carry_out(fetch, where, keeps=False)
    return plan_of(family, own.tools.ask_from)


async def _all(api: Api, path: str, behind: str, **which: str) -> list[JsonObject]:
    """Every page of a list."""
    found: list[JsonObject] = []
    cursor: str | None = None
    while True:
        page: JsonObject = await api.get(path, limit=PAGE, **which, **{behind: cursor})
        found += page["data"]
        cursor = page["next_cursor"]
        if cursor is None:
            return found

"""Finds the run that a person means."""

from ripieno.cli.api import Api
from ripieno.cli.exits import Exit, Stop
from ripieno.domain.jsons import JsonObject

LAST = "last"
PAGE = 100


async def run_named(api: Api, name: str) -> JsonObject:
    """The run with this id; `last` is the newest that no team started. Raises `Stop`."""
    return await api.get(f"/v1/runs/{await run_id(api, name)}")


async def run_id(api: Api, name: str) -> str:
    """The id of the run that is meant. Raises `Stop` where there is none."""
    if name != LAST:
        return name
    cursor: str | None = None
    while True:
        page: JsonObject = await api.get("/v1/runs", limit=PAGE, cursor=cursor)
        for run in page["data"]:
            if run["parent_id"] is None:
                return run["id"]
        cursor = page["next_cursor"]
        if cursor is None:
            raise Stop(Exit.USAGE, "not_found", "there are no runs yet")

"""Secrets over HTTP: in, and never out."""

from typing import Any

import pytest

from tests.unit.server.doors import open_door


async def test_a_secret_is_set_listed_and_forgotten():
    async with open_door(works=False) as door:
        put = await door.client.put("/v1/secrets/github", json={"value": "ghp_secret"})
        assert put.status_code == 200
        assert (put.json()["name"], put.json()["version"], put.json()["created_by"]) == ("github", 1, "local")
        assert await door.get("/v1/secrets/github") == put.json()
        assert (await door.get("/v1/secrets"))["data"] == [put.json()]
        assert (await door.post("/v1/secrets/rotate")) == {"resealed": 1}
        assert "ghp_secret" not in put.text
        gone = await door.client.delete("/v1/secrets/github")
        assert (gone.status_code, gone.content) == (204, b"")
        problem = await door.get("/v1/secrets/github", 404)
        assert problem["code"] == "not_found"


@pytest.mark.parametrize(
    "body", [{}, {"value": ""}, {"value": 5}, {"value": "x", "name": "y"}, {"value": "x" * 70_000}]
)
async def test_a_wrong_body_is_refused_without_showing_it(body: Any):
    async with open_door(works=False) as door:
        refused = await door.client.put("/v1/secrets/github", json=body)
        assert refused.status_code == 422
        assert "xxxx" not in refused.text
        assert (await door.get("/v1/secrets"))["data"] == []


@pytest.mark.parametrize("name", ["-x", "a b", "a" * 129, "ä"])
async def test_a_name_that_no_reference_could_hold_is_refused(name: str):
    async with open_door(works=False) as door:
        refused = await door.client.put(f"/v1/secrets/{name}", json={"value": "x"})
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid")

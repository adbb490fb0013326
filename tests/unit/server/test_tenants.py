"""Limits of tenants over HTTP: for administrators of the whole platform."""

from tests.unit.server.doors import open_door


async def test_a_limit_is_set_shown_and_taken_away():
    async with open_door(works=False) as door:
        assert (await door.get("/v1/tenants"))["data"] == []
        limit = {"id": "acme", "max_running": 3}
        assert await door.post("/v1/tenants", limit, 201) == limit
        assert (await door.get("/v1/tenants"))["data"] == [limit]
        assert (await door.client.delete("/v1/tenants/acme/limit")).status_code == 204
        assert (await door.client.delete("/v1/tenants/acme/limit")).status_code == 404
        for wrong in ({"id": "Acme!", "max_running": 1}, {"id": "acme", "max_running": -1}, {"id": "acme"}):
            assert (await door.post("/v1/tenants", wrong, 422))["code"] == "invalid"

"""The OpenAPI document, the pages for people, health, sessions, schemas."""

import asyncio
import inspect
from dataclasses import replace
from typing import Any

import jsonschema_rs
import pytest

from ripieno import bootstrap
from ripieno.domain import errors as domain_errors
from ripieno.domain.agents import DefinitionProblem
from ripieno.domain.errors import Denied, RipienoError
from ripieno.domain.workers import WorkerLoad
from ripieno.engine.admission import Depths
from ripieno.engine.intake import Options
from ripieno.server import errors
from ripieno.server.app import create_app
from ripieno.testing.given_definitions import GivenDefinitions
from tests.unit.server.doors import client_of, open_door


async def document() -> Any:
    async with open_door(works=False) as door:
        return await door.get("/openapi.json")


async def test_the_document_is_clean():
    found = await document()
    assert found["openapi"].startswith("3.1")
    assert found["info"]["version"] == "1.2.3"
    assert all(path.startswith("/v1/") for path in found["paths"])
    operations = [operation for methods in found["paths"].values() for operation in methods.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names))
    assert all(name.replace("_", "").isalpha() for name in names)
    assert all(operation["description"] and operation["tags"] for operation in operations)
    assert not any("422" in operation["responses"] for operation in operations)
    assert all("ProblemView" in str(operation["responses"]["default"]) for operation in operations)
    assert "HTTPValidationError" not in found["components"]["schemas"]


async def test_every_reference_in_the_document_leads_somewhere():
    found = await document()

    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            here = [node["$ref"]] if "$ref" in node else []  # pyright: ignore[reportUnknownVariableType]
            return [*here, *(ref for value in node.values() for ref in references(value))]  # pyright: ignore[reportUnknownVariableType]
        return [ref for item in node for ref in references(item)] if isinstance(node, list) else []  # pyright: ignore[reportUnknownVariableType]

    names = {reference.removeprefix("#/components/schemas/") for reference in references(found)}
    assert names <= found["components"]["schemas"].keys()
    assert {"RunView", "TaskView", "ProblemView"} <= names


async def test_only_health_is_open_in_the_document():
    paths = (await document())["paths"]
    unguarded = {path for path, methods in paths.items() for it in methods.values() if "security" not in it}
    assert unguarded == {"/v1/health", "/v1/health/live", "/v1/health/ready"}


async def test_answers_keep_to_the_document():
    async with open_door() as door:
        found = await document()
        run = await door.post("/v1/runs?wait=20", {"goal": "add"})
        here = f"/v1/runs/{run['id']}"
        checks = {
            "/v1/runs": "/v1/runs",
            here: "/v1/runs/{run_id}",
            f"{here}/tasks": "/v1/runs/{run_id}/tasks",
            f"{here}/tasks/g1/turn/1/model": "/v1/runs/{run_id}/tasks/{key}",
            f"{here}/actions": "/v1/runs/{run_id}/actions",
            f"{here}/messages": "/v1/runs/{run_id}/messages",
            f"{here}/timeline": "/v1/runs/{run_id}/timeline",
            f"{here}/logs": "/v1/runs/{run_id}/logs",
            f"{here}/entries": "/v1/runs/{run_id}/entries",
            f"{here}/events": "/v1/runs/{run_id}/events",
            f"/v1/sessions/{run['session_id']}": "/v1/sessions/{session_id}",
            "/v1/agents": "/v1/agents",
            "/v1/agents/cashier": "/v1/agents/{name}",
            "/v1/tools": "/v1/tools",
            "/v1/tools/math.add": "/v1/tools/{name}",
            "/v1/interrupts": "/v1/interrupts",
            "/v1/health": "/v1/health",
        }
        for address, path in checks.items():
            content = found["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
            schema = {**content["schema"], "components": found["components"]}
            jsonschema_rs.validate(schema, await door.get(address))


async def test_a_browser_is_led_to_the_console_and_a_program_to_the_addresses():
    async with open_door(works=False) as door:
        response = await door.client.get("/", headers={"accept": "text/html,*/*"})
        assert (response.status_code, response.headers["location"]) == (303, "/console")
        assert (await door.get("/"))["openapi"] == "/openapi.json"
        console = await door.client.get("/console")
        assert 'href="/docs"' in console.text


async def test_the_docs_page_shows_every_operation_and_loads_nothing():
    async with open_door(works=False) as door:
        page = (await door.client.get("/docs")).text
        for path in (await door.get("/openapi.json"))["paths"]:
            assert f" {path}</code>" in page
        assert "<script" not in page
        assert "http" not in page.replace("http-equiv", "")


@pytest.mark.parametrize("code", sorted(errors.codes()))
async def test_every_code_has_a_page(code: str):
    async with open_door(works=False) as door:
        page = await door.client.get(f"/problems/{code}")
        assert page.status_code == 200
        assert f"HTTP status {errors.codes()[code].status}" in page.text


def test_every_error_of_the_domain_has_a_code_in_the_table():
    kinds = [kind for _, kind in inspect.getmembers(domain_errors, inspect.isclass) if issubclass(kind, RipienoError)]
    assert {kind.code for kind in kinds} <= errors.codes().keys()
    assert len(kinds) > 20


class DeniedByMoon(Denied):
    """An error of another room, with a code of its own."""

    code = "moon"


def test_a_code_that_is_not_in_the_table_is_that_of_its_family():
    assert errors.code_of(DeniedByMoon("not tonight")) == "denied"
    assert "moon" not in errors.codes()


async def test_health():
    async with open_door(works=False, default_model="offline") as door:
        body = await door.get("/v1/health")
        assert (body["status"], body["version"], body["queue"]["queued"]) == ("healthy", "1.2.3", 0)
        assert (body["agents"]["count"], body["llm"]["detail"]) == (3, "offline")
        assert await door.get("/health/ready") == await door.get("/api/v1/health")
        door.services.stopping.set()
        assert (await door.get("/v1/health/ready", 503))["status"] == "unhealthy"


async def test_runs_that_nobody_works_on_are_not_healthy():
    async with open_door(works=False) as door:
        await door.post("/v1/runs", {"goal": "a"}, 201)
        body = await door.get("/v1/health")
        assert (body["status"], body["queue"]["queued"]) == ("degraded", 1)
        assert body["queue"]["detail"] == "runs are queued and no worker is alive"
        await door.platform.ports.workers.report(WorkerLoad("wrk_2", 8, 0))
        assert (await door.get("/v1/health"))["status"] == "healthy"


async def test_health_shows_who_works_and_how_much():
    async with open_door() as door:
        async with asyncio.timeout(20):
            while not (workers := (await door.get("/v1/health"))["workers"]):
                await asyncio.sleep(0.002)
        assert workers == [
            {"id": door.platform.worker.id, "slots": 100, "busy": 0, "load": 0.0, "draining": False},
        ]
        await door.platform.ports.workers.report(WorkerLoad("wrk_2", 8, 2, draining=True))
        assert (await door.get("/v1/health"))["workers"][-1] == {
            "id": "wrk_2",
            "slots": 8,
            "busy": 2,
            "load": 0.25,
            "draining": True,
        }


async def test_every_door_that_starts_a_run_is_closed_while_the_queue_is_full():
    async with open_door(works=False) as door:
        ports = replace(door.platform.ports, depths=Depths(queued=1))
        services = replace(door.services, engine=bootstrap.assemble(ports, Options()).engine)
        async with client_of(create_app(services)) as client:
            first = await client.post("/v1/runs", json={"goal": "a"})
            assert first.status_code == 201
            for path, body in (
                ("/v1/runs", {"goal": "a"}),
                ("/run", {"goal": "a"}),
                ("/v1/agents/default/invoke", {"task_data": {"prompt": "a"}}),
                ("/v1/orchestrate", {"goal": "a"}),
            ):
                refused = await client.post(path, json=body)
                assert (refused.status_code, refused.json()["code"]) == (503, "admission_closed"), refused.text
                assert refused.headers["retry-after"] == "5"


class Spoilt(GivenDefinitions):
    """Definitions of which one file cannot be used."""

    async def problems(self) -> Any:
        return [DefinitionProblem(file="agents/x.yaml", line=3, reason="no name")]


async def test_a_definition_that_cannot_be_used_degrades():
    async with open_door(works=False) as door:
        spoilt = create_app(replace(door.services, definitions=Spoilt([])))
    async with client_of(spoilt) as client:
        body = (await client.get("/health")).json()
        assert (body["status"], body["agents"]["detail"]) == ("degraded", "1 definition file(s) cannot be used")
        problems = (await client.get("/v1/agents")).json()["problems"]
        assert problems == [{"file": "agents/x.yaml", "line": 3, "reason": "no name"}]


async def test_a_session_shows_its_runs_their_steps_and_a_summary():
    async with open_door() as door:
        first = await door.post("/v1/runs?wait=20", {"goal": "add"})
        again = {"goal": "add", "session_id": first["session_id"], "agent": "cashier"}
        second = await door.post("/v1/runs?wait=20", again)
        session = await door.get(f"/v1/sessions/{first['session_id']}")
    assert session["id"] == session["session_id"] == first["session_id"]
    assert [run["id"] for run in session["runs"]] == [second["id"], first["id"]]
    assert [task["of_run"] for task in session["tasks"]] == [first["id"]] * 3 + [second["id"]]
    assert session["summary"]["by_status"] == {"completed": 2}
    assert (session["summary"]["runs"], session["summary"]["last_answer"]) == (2, "It is 3 [t1c0].")
    assert session["summary"]["usage"]["calls"] == 3


async def test_schemas_are_published():
    async with open_door(works=False) as door:
        assert (await door.get("/v1/schemas"))["data"] == ["agent", "event", "plan", "review"]
        schema = await door.get("/v1/schemas/agent")
        assert "instructions" in schema["properties"]
        jsonschema_rs.validate(schema, {"name": "teller", "instructions": "Count."})

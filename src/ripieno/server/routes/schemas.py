"""JSON Schemas of what people write and read."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from ripieno.domain.agents import AgentDefinition
from ripieno.domain.errors import NotFound
from ripieno.domain.jsons import JsonObject
from ripieno.domain.teams import Plan, Review
from ripieno.server.services import Caller
from ripieno.server.shapes.runs import EventView

router = APIRouter(tags=["schemas"])

SCHEMAS: dict[str, type[BaseModel]] = {"agent": AgentDefinition, "event": EventView, "plan": Plan, "review": Review}


@router.get("/schemas")
async def list_schemas(principal: Caller) -> dict[str, list[str]]:
    """Their names."""
    del principal
    return {"data": sorted(SCHEMAS)}


@router.get("/schemas/{name}")
async def get_schema(name: str, principal: Caller) -> dict[str, Any]:
    """One schema (JSON Schema 2020-12)."""
    del principal
    if name not in SCHEMAS:
        raise NotFound("schema", name, sorted(SCHEMAS))
    schema: JsonObject = SCHEMAS[name].model_json_schema(by_alias=False)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}

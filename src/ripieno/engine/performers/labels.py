"""What a model request is labelled with: on whose behalf it is made, and where that came from."""

from dataclasses import replace
from typing import cast

from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.runs import Run
from ripieno.engine.core.commands import CallModel
from ripieno.engine.leg import Leg

ORIGINS = ("channel", "account", "peer")
"""Where a run came from, as its context or else its metadata says."""

LONGEST = 200
MOST_TAGS = 50


def labelled(leg: Leg, command: CallModel) -> CallModel:
    """The command, its request labelled."""
    run = leg.run
    start = leg.recorded.get(f"g{run.generation}/start")
    definition: JsonObject = start.body["definition"] if start else {}
    tags = list(dict.fromkeys([*definition.get("tags", ()), *_tags(run)]))
    whose = {"tenant": run.tenant, "run": run.id, "key": command.key, "agent": run.target}
    labels: JsonObject = {**whose, "session": run.session_id, "user": run.created_by, "tags": tags, **_origins(run)}
    return replace(command, request=replace(command.request, labels=labels))


def handed_down(run: Run) -> JsonObject:
    """What a child's metadata say of where its parent came from."""
    tags = _tags(run)
    return {**_origins(run), **({"tags": tags} if tags else {})}


def _origins(run: Run) -> JsonObject:
    said = {**run.metadata, **run.input.context}
    return {name: said[name][:LONGEST] for name in ORIGINS if isinstance(said.get(name), str) and said[name]}


def _tags(run: Run) -> list[str]:
    tags: Json = run.input.context.get("tags", run.metadata.get("tags"))
    if not isinstance(tags, list):
        return []
    return [tag[:LONGEST] for tag in cast("list[Json]", tags) if isinstance(tag, str)][:MOST_TAGS]

"""The last requests to models that journals tell of, for trying rules on them."""

from collections.abc import Sequence

from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.recorded_requests import RecordedRequest
from ripieno.store.portable.frame import Frame, Frames, Record, Work

RUNS = """
SELECT id, target, session_id, created_by, input, metadata FROM runs WHERE tenant = :tenant
ORDER BY created_at DESC, id DESC LIMIT :limit
"""

REPLIES = """
SELECT run_id, key, body->'reply'->>'provider' AS provider, body->'reply'->>'model' AS model,
  body->'reply'->'usage' AS usage, body->'reply'->'metadata'->'routing' AS routing
FROM entries WHERE run_id = ANY(:runs::text[]) AND type = 'model.replied' AND epoch > 0
ORDER BY at DESC, run_id DESC, seq DESC LIMIT :limit
"""

STARTS = """
SELECT run_id, body->>'model' AS model FROM entries WHERE run_id = ANY(:runs::text[]) AND type = 'run.started'
ORDER BY run_id, seq
"""


class StoredRequests:
    """Reads recorded requests."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames

    async def last(self, tenant: str, limit: int) -> Sequence[RecordedRequest]:
        """The last ones of a tenant, newest first, out of as many of its last runs."""
        return await self._frames.read(_last, tenant, limit)


def _last(frame: Frame, tenant: str, limit: int) -> Work[list[RecordedRequest]]:
    rows = yield from frame.all(RUNS, tenant=tenant, limit=limit)
    runs = {row["id"]: row for row in rows}
    replies = yield from frame.all(REPLIES, runs=list(runs), limit=limit)
    starts = yield from frame.all(STARTS, runs=sorted({reply["run_id"] for reply in replies}))
    asked = {start["run_id"]: start["model"] for start in starts}
    return [_request(reply, runs[reply["run_id"]], asked.get(reply["run_id"])) for reply in replies]


def _request(reply: Record, run: Record, asked: str | None) -> RecordedRequest:
    given: JsonObject = run.json("input")
    metadata: JsonObject = run.json("metadata")
    used: JsonObject = reply.json("usage")
    routing: Json = reply.json("routing")
    return RecordedRequest(
        run_id=reply["run_id"],
        key=reply["key"],
        agent=run["target"],
        session=run["session_id"],
        user=run["created_by"],
        asked=asked or "",
        origin={**metadata, **given["context"]},
        provider=reply["provider"] or "",
        model=reply["model"] or "",
        input_tokens=used["input_tokens"],
        output_tokens=used["output_tokens"],
        cost_usd=used["cost_usd"],
        routing=routing,
    )

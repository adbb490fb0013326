"""First answers of write requests, kept under their idempotency keys."""

from dataclasses import dataclass, field

from ripieno.domain.jsons import Json, JsonObject


@dataclass(frozen=True, slots=True)
class StoredReply:
    """The first answer under an idempotency key. `status` is 0 while that request is still being served."""

    body_hash: str
    resource_id: str
    status: int = 0
    headers: JsonObject = field(default_factory=dict[str, Json])
    body: str = ""

"""Requests to models, as journals tell of them."""

from dataclasses import dataclass

from ripieno.domain.jsons import JsonObject


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request that was answered.

    `asked` is the model of the run; `model` and what was used are of the reply. `origin` is what the run's context and
    metadata say. `routing` is what a routing decided then, where there was one.
    """

    run_id: str
    key: str
    agent: str
    session: str
    user: str
    asked: str
    origin: JsonObject
    provider: str
    model: str
    input_tokens: int
    output_tokens: int
    cost_usd: float
    routing: JsonObject | None = None

"""Dead letters: list, look, try again, discard."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from ripieno.domain.dead_letters import DeadLetterFilter, DeadLetterKind, DeadLetterState
from ripieno.server import answers
from ripieno.server.answers import PageQuery
from ripieno.server.idempotency import IdempotentRoute
from ripieno.server.services import Caller, Served
from ripieno.server.shapes.operating import DeadLetterPage, DeadLetterView, ReplayRequest

router = APIRouter(tags=["dead letters"], route_class=IdempotentRoute)


class DeadLetterQuery(PageQuery):
    """Which dead letters."""

    kind: DeadLetterKind | None = None
    state: DeadLetterState | None = None
    run_id: str | None = None


@router.get("/dlq", response_model=DeadLetterPage)
async def list_dead_letters(
    query: Annotated[DeadLetterQuery, Query()], request: Request, services: Served, principal: Caller
) -> Response:
    """What came to nothing, newest first."""
    which = DeadLetterFilter(query.kind, query.state, query.run_id)
    found = await services.dead_letters.page(principal.tenant, which, query.limit + 1, query.cursor)
    shown, more = answers.cut(found, query.limit)
    next_cursor = shown[-1].id if more else None
    data = [DeadLetterView.of(letter) for letter in shown]
    body = DeadLetterPage.model_construct(data=data, next_cursor=next_cursor)
    return answers.json(body, headers=answers.next_link(request, cursor=next_cursor))


@router.get("/dlq/{letter_id}", response_model=DeadLetterView)
async def get_dead_letter(letter_id: str, services: Served, principal: Caller) -> Response:
    """One dead letter."""
    return answers.json(DeadLetterView.of(await services.dead_letters.get(principal.tenant, letter_id)))


@router.post("/dlq/{letter_id}/replay", response_model=DeadLetterView)
async def replay_dead_letter(
    letter_id: str, services: Served, principal: Caller, body: ReplayRequest | None = None
) -> Response:
    """Try it again: start the run anew, send the message again, repeat the effect where that is safe.

    A second replay answers what came of the first.
    """
    letter = await services.replaying.replay(principal, letter_id, body.edit if body else None)
    return answers.json(DeadLetterView.of(letter))


@router.delete("/dlq/{letter_id}", response_model=DeadLetterView)
async def discard_dead_letter(letter_id: str, services: Served, principal: Caller) -> Response:
    """Settle a dead letter without trying it again. It stays on record, and so does who discarded it."""
    letter = await services.dead_letters.discard(principal.tenant, letter_id, principal.id)
    return answers.json(DeadLetterView.of(letter))

"""All that administrators of models work with, and what runs call."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ripieno.domain.errors import NotFound
from ripieno.domain.model_documents import Deed, DocumentChange, DocumentKind
from ripieno.domain.principals import Principal
from ripieno.models.catalogue import Catalogue, ModelSaid
from ripieno.models.documents import DocumentsAtHand
from ripieno.models.records import Providers
from ripieno.models.routing.published import Routes
from ripieno.models.routing.publishing import Publishing
from ripieno.models.routing.simulating import Simulating
from ripieno.ports import Model


def nobody_stops(tenant: str, model: str) -> str | None:
    """Nothing is stopped."""
    del tenant, model
    return None


@dataclass(slots=True)
class Stops:
    """Why a model may not be asked now, or None; filled in when there is somebody who knows."""

    ask: Callable[[str, str], str | None] = nobody_stops

    def __call__(self, tenant: str, model: str) -> str | None:
        """Why not."""
        return self.ask(tenant, model)


@dataclass(frozen=True, slots=True)
class Gateway:
    """The models of all tenants, with what is known about them and how requests get to them."""

    model: Model
    documents: DocumentsAtHand
    catalogue: Catalogue
    providers: Providers
    routes: Routes
    publishing: Publishing
    simulating: Simulating
    stops: Stops = field(default_factory=Stops)

    def said(self, tenant: str) -> Mapping[str, ModelSaid]:
        """What administrators of a tenant said of models."""
        return {name: said for (owner, name), said in self.catalogue.kept.items() if owner == tenant}

    async def say(self, principal: Principal, model: str, said: ModelSaid) -> None:
        """Say what is to know of a model, in place of what was said before."""
        known = self.documents.of(principal.tenant, DocumentKind.MODEL).get(model)
        change = DocumentChange(DocumentKind.MODEL, model, said.said(), known.revision if known else 0)
        await self.documents.change(principal, [change], Deed("PUT_MODEL", model))

    async def unsay(self, principal: Principal, model: str) -> None:
        """Take back what was said of a model. Raises `NotFound`."""
        known = self.documents.of(principal.tenant, DocumentKind.MODEL).get(model)
        if known is None:
            raise NotFound("model override", model)
        change = DocumentChange(DocumentKind.MODEL, model, None, known.revision)
        await self.documents.change(principal, [change], Deed("DELETE_MODEL", model))


def keep_catalogue(documents: DocumentsAtHand, catalogue: Catalogue) -> None:
    """Let the catalogue know what administrators say, now and whenever that is something else."""

    def read() -> None:
        found = documents.every(DocumentKind.MODEL)
        catalogue.kept = {(one.tenant, one.name): ModelSaid.model_validate(one.body) for one in found}

    documents.on_change(read)
    read()

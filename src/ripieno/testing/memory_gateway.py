"""The administration of models in memory, in front of one given model that answers for every provider."""

from collections.abc import Sequence

from ripieno.conditions import compile_condition
from ripieno.domain.recorded_requests import RecordedRequest
from ripieno.models.catalogue import Catalogue
from ripieno.models.directory import ModelDirectory
from ripieno.models.documents import DocumentsAtHand
from ripieno.models.gateway import Gateway, Stops, keep_catalogue
from ripieno.models.latencies import Latencies
from ripieno.models.records import Given, Making, Providers, ProviderSaid
from ripieno.models.routed import RoutedModel
from ripieno.models.routing.published import Routes, Surroundings
from ripieno.models.routing.publishing import Publishing
from ripieno.models.routing.simulating import Simulating
from ripieno.ports import Clock, Model, Secrets
from ripieno.testing.memory_model_documents import MemoryModelDocuments


class MemoryRequests:
    """Recorded requests that a test puts in."""

    def __init__(self) -> None:
        self.requests: list[RecordedRequest] = []

    async def last(self, tenant: str, limit: int) -> Sequence[RecordedRequest]:
        """The first ones of the list, whoever asks."""
        del tenant
        return self.requests[:limit]


def gateway_in_memory(model: Model, clock: Clock, secrets: Secrets, given: Sequence[str] = ()) -> Gateway:
    """Everything that administrators work with; `given` are providers that stand in the settings."""

    async def bare(said: ProviderSaid, key: str) -> Model:
        del said, key
        return model

    documents, catalogue, stops = DocumentsAtHand(MemoryModelDocuments(clock)), Catalogue(), Stops()
    keep_catalogue(documents, catalogue)
    of_settings = {name: Given(name, f"{name}-1", "", has_key=True, bare=model) for name in given}
    making = Making(bare, lambda each, _: each)
    providers = Providers(documents, secrets, making, clock, of_settings)
    catalogue.served = providers.served
    routes = Routes(documents, compile_condition, Surroundings(catalogue, Latencies(), providers.resolve, stops))
    directory = ModelDirectory({"offline": model, **dict.fromkeys(given, model)}, providers.model)
    routed = RoutedModel(directory, routes, clock)
    simulating = Simulating(routes, MemoryRequests())
    return Gateway(routed, documents, catalogue, providers, routes, Publishing(routes), simulating, stops)

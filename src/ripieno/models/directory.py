"""Which provider a request goes to."""

from collections.abc import AsyncIterator, Callable, Mapping

from ripieno.domain.errors import ModelRefused
from ripieno.domain.messages import ModelEvent, ModelRequest
from ripieno.ports import Model

Own = Callable[[str, str], Model | None]
"""The model of a provider that a tenant has of its own, by tenant and name. Raises `ModelRefused`."""


def _nobody(tenant: str, name: str) -> Model | None:
    del tenant, name
    return None


class ModelDirectory:
    """`ports.Model` that hands each request to the provider named before the colon in `request.model`.

    `offline` alone names a provider without models of its own. Where `providers` has nobody of the name, the tenant's
    own are asked.
    """

    def __init__(self, providers: Mapping[str, Model], own: Own = _nobody) -> None:
        self._providers = dict(providers)
        self._own = own

    def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Answer with the named provider.

        Raises:
            ModelRefused: There is no such provider, or it is not configured.
        """
        name = request.model.partition(":")[0]
        provider = self._providers.get(name) or self._own(str(request.labels.get("tenant", "")), name)
        if provider is None:
            have = ", ".join(sorted(self._providers)) or "none"
            raise ModelRefused(f"no provider {name!r} for model {request.model!r}; configured: {have}")
        return provider.stream(request)

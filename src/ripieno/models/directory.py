"""Which provider a request goes to."""

from collections.abc import AsyncIterator, Mapping

from ripieno.domain.errors import ModelRefused
from ripieno.domain.messages import ModelEvent, ModelRequest
from ripieno.ports import Model


class ModelDirectory:
    """`ports.Model` that hands each request to the provider named before the colon in `request.model`.

    `offline` alone names a provider without models of its own.
    """

    def __init__(self, providers: Mapping[str, Model]) -> None:
        self._providers = dict(providers)

    def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Answer with the named provider.

        Raises:
            ModelRefused: There is no such provider, or it is not configured.
        """
        name = request.model.partition(":")[0]
        provider = self._providers.get(name)
        if provider is None:
            have = ", ".join(sorted(self._providers)) or "none"
            raise ModelRefused(f"no provider {name!r} for model {request.model!r}; configured: {have}")
        return provider.stream(request)

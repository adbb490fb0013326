"""The model without weights: `OfflineModel`."""

from ripieno.models.providers.offline.model import OfflineModel

__all__ = ["OfflineModel"]

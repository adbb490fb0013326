"""Artifacts in a dictionary."""

import hashlib
from collections.abc import AsyncIterable, Sequence

from ripieno.domain import ids
from ripieno.domain.artifacts import LARGEST, Artifact, ArtifactFilter, NewArtifact
from ripieno.domain.errors import NotFound, TooLarge
from ripieno.domain.principals import Principal
from ripieno.ports import Clock


class MemoryArtifacts:
    """`ports.Artifacts` without a database."""

    def __init__(self, clock: Clock, largest: int = LARGEST) -> None:
        self._clock = clock
        self._largest = largest
        self._kept: dict[str, tuple[Artifact, bytes]] = {}

    async def put(self, new: NewArtifact, content: bytes | AsyncIterable[bytes]) -> Artifact:
        data = content if isinstance(content, bytes) else b"".join([piece async for piece in content])
        if len(data) > self._largest:
            raise TooLarge(f"an artifact may have {self._largest} bytes")
        artifact_id = new.id or self._clock.new_id(ids.ARTIFACT)
        old = self._kept.get(artifact_id)
        artifact = Artifact(
            id=artifact_id,
            tenant=new.tenant,
            name=new.name,
            media_type=new.media_type,
            size=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            created_at=old[0].created_at if old else self._clock.now(),
            created_by=new.created_by,
            run_id=new.run_id,
        )
        self._kept[artifact_id] = (artifact, data)
        return artifact

    async def get(self, tenant: str, artifact_id: str) -> Artifact:
        return self._one(tenant, artifact_id)[0]

    async def read(self, tenant: str, artifact_id: str, offset: int = 0, length: int | None = None) -> bytes:
        data = self._one(tenant, artifact_id)[1][offset:]
        return data if length is None else data[:length]

    async def page(
        self, tenant: str, which: ArtifactFilter, limit: int, before: str | None = None
    ) -> Sequence[Artifact]:
        theirs = [artifact for artifact, _ in self._kept.values() if artifact.tenant == tenant]
        found = [one for one in theirs if which.run_id in {None, one.run_id} and (before is None or one.id < before)]
        return sorted(found, key=lambda one: one.id, reverse=True)[:limit]

    async def delete(self, principal: Principal, artifact_id: str) -> None:
        self._one(principal.tenant, artifact_id)
        del self._kept[artifact_id]

    def _one(self, tenant: str, artifact_id: str) -> tuple[Artifact, bytes]:
        kept = self._kept.get(artifact_id)
        if kept is None or kept[0].tenant != tenant:
            raise NotFound("artifact", artifact_id)
        return kept

"""Files that come with a goal: found when a run is started, so that it never begins without them."""

from collections.abc import Sequence

from ripieno.domain.artifacts import ArtifactRef
from ripieno.domain.errors import Invalid, NotFound, Problem
from ripieno.ports import Artifacts


async def attached(artifacts: Artifacts, tenant: str, wanted: Sequence[str]) -> tuple[ArtifactRef, ...]:
    """The artifacts with these ids.

    Raises:
        Invalid: Some are not there; its problems say which.
    """
    found: list[ArtifactRef] = []
    problems: list[Problem] = []
    for at, artifact_id in enumerate(wanted):
        try:
            found.append((await artifacts.get(tenant, artifact_id)).ref)
        except NotFound as missing:
            problems.append(Problem(f"/attachments/{at}/artifact_id", missing.detail))
    if problems:
        raise Invalid("there are attachments that are not kept here", problems)
    return tuple(found)

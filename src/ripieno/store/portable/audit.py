"""The one shape of audit rows in the outbox."""

from ripieno.domain.jsons import Json
from ripieno.domain.outbox import AUDIT, audit_body
from ripieno.store.portable.frame import Frame, Work


def audit(frame: Frame, who: tuple[str, str], action: str, target: str, detail: Json = None) -> Work[None]:
    """Write down that somebody, by tenant and name, did something."""
    tenant, actor = who
    body = audit_body(action, actor, target, frame.now, detail)
    yield from frame.tell(tenant, AUDIT, "", body)

"""What administrators say about tools, in the database."""

from collections.abc import Sequence

from ripieno.domain.errors import NotFound
from ripieno.domain.principals import Principal
from ripieno.domain.tool_rules import KeptRule, ToolRule
from ripieno.store.bodies import dump
from ripieno.store.portable.frame import Frame, Frames, Record, Work

ALL = "SELECT * FROM tool_rules ORDER BY tenant, name"

PUT = """
INSERT INTO tool_rules (tenant, name, rule, updated_by, updated_at) VALUES (:tenant, :name, :rule, :by, :now)
ON CONFLICT (tenant, name) DO UPDATE SET rule = excluded.rule, updated_by = excluded.updated_by,
  updated_at = excluded.updated_at
RETURNING *
"""

DELETE = "DELETE FROM tool_rules WHERE tenant = :tenant AND name = :name RETURNING name"


class StoredToolRules:
    """Keeps rules by tenant and name; each change is audited."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames

    async def all(self) -> Sequence[KeptRule]:
        """Those of all tenants."""
        return await self._frames.read(_all)

    async def put(self, principal: Principal, name: str, rule: ToolRule) -> KeptRule:
        """Keep a rule in place of what was said before."""
        return await self._frames.write(_put, principal, name, rule)

    async def delete(self, principal: Principal, name: str) -> None:
        """Say nothing any more. Raises `NotFound`."""
        await self._frames.write(_delete, principal, name)


def _all(frame: Frame) -> Work[list[KeptRule]]:
    rows = yield from frame.all(ALL)
    return [_kept(row) for row in rows]


def _put(frame: Frame, by: Principal, name: str, rule: ToolRule) -> Work[KeptRule]:
    body = dump(rule.model_dump(mode="json", exclude_none=True))
    (row,) = yield from frame.all(PUT, tenant=by.tenant, name=name, rule=body, by=by.id, now=frame.now)
    yield from _audit(frame, by, "RULE_TOOL", name)
    return _kept(row)


def _delete(frame: Frame, by: Principal, name: str) -> Work[None]:
    if (yield from frame.one(DELETE, tenant=by.tenant, name=name)) is None:
        raise NotFound("tool rule", name)
    yield from _audit(frame, by, "UNRULE_TOOL", name)


def _audit(frame: Frame, by: Principal, action: str, name: str) -> Work[None]:
    yield from frame.tell(by.tenant, "audit", "", {"action": action, "actor": by.id, "target": name})


def _kept(row: Record) -> KeptRule:
    rule = ToolRule.model_validate(row.json("rule"))
    return KeptRule(row["tenant"], row["name"], rule, row["updated_by"], row.time("updated_at"))

"""The rules of administrators as the rings around tools read them: in memory, and soon the same in every process."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Protocol

from ripieno.domain.errors import RipienoError
from ripieno.domain.principals import Principal
from ripieno.domain.tool_rules import UNRULED, KeptRule, ToolRule
from ripieno.domain.tools import ToolSpec
from ripieno.ports import Clock

_log = logging.getLogger(__name__)

POLL_SECONDS = 2.0


class KeptRules(Protocol):
    """Where rules are kept; each change is audited."""

    async def all(self) -> Sequence[KeptRule]:
        """Those of all tenants."""
        ...

    async def put(self, principal: Principal, name: str, rule: ToolRule) -> KeptRule:
        """Keep a rule in place of what was said before."""
        ...

    async def delete(self, principal: Principal, name: str) -> None:
        """Say nothing any more. Raises `NotFound`."""
        ...


class ToolRules:
    """What holds for a tool now. `version` grows with each change that this process has seen."""

    def __init__(self, kept: KeptRules) -> None:
        self._kept = kept
        self._rules: dict[tuple[str, str], KeptRule] = {}
        self._tenants: frozenset[str] = frozenset()
        self.version = 0

    def said(self, tenant: str, name: str) -> ToolRule:
        """What is said under this very name."""
        kept = self._rules.get((tenant, name))
        return kept.rule if kept else UNRULED

    def of(self, tenant: str, tool: str) -> ToolRule:
        """What holds for a tool: what is said of it, else of its toolset."""
        if tenant not in self._tenants:
            return UNRULED
        return self.said(tenant, tool).over(self.said(tenant, tool.partition(".")[0]))

    def rules(self, tenant: str) -> bool:
        """Whether anything is said in this tenant."""
        return tenant in self._tenants

    def applied(self, tenant: str, spec: ToolSpec) -> ToolSpec:
        """A tool as its rules have it."""
        rule = self.of(tenant, spec.name)
        said = {"effect": rule.effect, "risk": rule.risk, "timeout": rule.timeout}
        changes = {name: value for name, value in said.items() if value is not None}
        return replace(spec, **changes) if changes else spec

    async def change(self, principal: Principal, name: str, changes: ToolRule) -> ToolRule:
        """Say something else about a tool or toolset; what is not said anew stays."""
        await self.refresh()
        rule = changes.over(self.said(principal.tenant, name))
        kept = await self._kept.put(principal, name, rule)
        self._note({**self._rules, (kept.tenant, name): kept})
        return kept.rule

    async def forget(self, principal: Principal, name: str) -> None:
        """Say nothing about a tool or toolset any more. Raises `NotFound`."""
        await self._kept.delete(principal, name)
        await self.refresh()

    async def refresh(self) -> None:
        """See what was said anywhere."""
        self._note({(kept.tenant, kept.name): kept for kept in await self._kept.all()})

    def _note(self, rules: dict[tuple[str, str], KeptRule]) -> None:
        if rules != self._rules:
            self._rules, self._tenants = rules, frozenset(tenant for tenant, _ in rules)
            self.version += 1

    async def _watch(self, clock: Clock) -> None:
        while True:
            await clock.sleep(POLL_SECONDS)
            try:
                await self.refresh()
            except RipienoError as error:  # the database is away; the next round may be better
                _log.warning("rules of tools cannot be looked up: %s", error.detail)

    @asynccontextmanager
    async def watched(self, clock: Clock) -> AsyncGenerator["ToolRules"]:
        """Loaded, and kept up to date until the block ends."""
        await self.refresh()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self._watch(clock), name="tool rules")
            try:
                yield self
            finally:
                task.cancel()

"""Secrets in a dictionary, open: for tests of what uses them."""

import difflib
from collections.abc import Sequence
from dataclasses import replace

from ripieno.domain.errors import NotFound
from ripieno.domain.principals import Principal
from ripieno.domain.secrets import SecretInfo
from ripieno.ports import Clock

KEY_ID = "memory"


class MemorySecrets:
    """`ports.Secrets` without a database and without encryption."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[tuple[str, str], tuple[SecretInfo, str]] = {}

    async def value(self, tenant: str, name: str) -> str:
        return self._one(tenant, name)[1]

    async def info(self, tenant: str, name: str) -> SecretInfo:
        return self._one(tenant, name)[0]

    async def infos(self, tenant: str) -> Sequence[SecretInfo]:
        return [info for (owner, _), (info, _) in sorted(self._kept.items()) if owner == tenant]

    async def put(self, principal: Principal, name: str, value: str) -> SecretInfo:
        now, place = self._clock.now(), (principal.tenant, name)
        if known := self._kept.get(place):
            info = replace(known[0], version=known[0].version + 1, updated_at=now)
        else:
            info = SecretInfo(name, principal.tenant, 1, KEY_ID, principal.id, now, now)
        self._kept[place] = (info, value)
        return info

    async def delete(self, principal: Principal, name: str) -> None:
        self._one(principal.tenant, name)
        del self._kept[principal.tenant, name]

    async def rotate(self, principal: Principal) -> int:
        del principal
        return len(self._kept)

    def _one(self, tenant: str, name: str) -> tuple[SecretInfo, str]:
        if known := self._kept.get((tenant, name)):
            return known
        names = [name for owner, name in self._kept if owner == tenant]
        raise NotFound("secret", name, difflib.get_close_matches(name, names))

"""Taking known secret values out of text, wherever they turn up."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from ripieno.domain.jsons import Json
from ripieno.domain.principals import Principal
from ripieno.domain.secrets import SecretInfo
from ripieno.ports import Secrets

SHORTEST = 6
"""Shorter values are not looked for: they are parts of ordinary words."""


class Scrubber:
    """Knows the values that were handed out, and puts `[secret:NAME]` in their place."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None

    def learn(self, name: str, value: str) -> None:
        """From now on this value is not to be seen."""
        if len(value) >= SHORTEST and value not in self._names:
            self._names[value] = name
            longest_first = sorted(self._names, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def text(self, text: str) -> str:
        """The text without them."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda found: f"[secret:{self._names[found[0]]}]", text)

    def value(self, value: Json) -> Json:
        """A JSON value without them, in keys too."""
        if self._pattern is None:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            items = cast("Mapping[str, Any]", value)
            return {self.text(key): self.value(item) for key, item in items.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in cast("list[Any]", value)]
        return value


class WatchedSecrets:
    """`ports.Secrets` that tells a scrubber of every value that it hands out or is given."""

    def __init__(self, inner: Secrets, scrubber: Scrubber) -> None:
        self._inner = inner
        self._scrubber = scrubber

    async def value(self, tenant: str, name: str) -> str:
        value = await self._inner.value(tenant, name)
        self._scrubber.learn(name, value)
        return value

    async def info(self, tenant: str, name: str) -> SecretInfo:
        return await self._inner.info(tenant, name)

    async def infos(self, tenant: str) -> Sequence[SecretInfo]:
        return await self._inner.infos(tenant)

    async def put(self, principal: Principal, name: str, value: str) -> SecretInfo:
        self._scrubber.learn(name, value)
        return await self._inner.put(principal, name, value)

    async def delete(self, principal: Principal, name: str) -> None:
        await self._inner.delete(principal, name)

    async def rotate(self, principal: Principal) -> int:
        return await self._inner.rotate(principal)

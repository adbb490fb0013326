"""Secrets in the database: sealed by a cipher whose keys are elsewhere."""

import difflib
from collections.abc import Sequence
from typing import Protocol

from ripieno.domain.errors import NotFound
from ripieno.domain.principals import Principal
from ripieno.domain.secrets import SealedSecret, SecretInfo
from ripieno.store.portable.frame import Frame, Frames, Record, Work

ONE = "SELECT * FROM secrets WHERE tenant = :tenant AND name = :name"

NAMES = "SELECT name FROM secrets WHERE tenant = :tenant"

ALL = "SELECT * FROM secrets WHERE tenant = :tenant ORDER BY name"

PUT = """
INSERT INTO secrets (tenant, name, version, key_id, sealed, created_by, created_at, updated_at)
VALUES (:tenant, :name, 1, :key_id, :sealed, :by, :now, :now)
ON CONFLICT (tenant, name) DO UPDATE SET version = secrets.version + 1, key_id = excluded.key_id,
  sealed = excluded.sealed, updated_at = excluded.updated_at
RETURNING *
"""

DELETE = "DELETE FROM secrets WHERE tenant = :tenant AND name = :name RETURNING name"

EVERY = "SELECT tenant, name, key_id, sealed FROM secrets ORDER BY tenant, name FOR UPDATE"

RESEAL = "UPDATE secrets SET key_id = :key_id, sealed = :sealed WHERE tenant = :tenant AND name = :name"


class Cipher(Protocol):
    """Seals values so that the database alone is worth nothing to who steals it."""

    def seal(self, tenant: str, name: str, value: str) -> SealedSecret:
        """Seal a value under the current master key. Raises `SecretsLocked`."""
        ...

    def open(self, tenant: str, name: str, sealed: SealedSecret) -> str:
        """The value. Raises `SecretUnreadable`, `SecretsLocked`."""
        ...

    def reseal(self, tenant: str, name: str, sealed: SealedSecret) -> SealedSecret:
        """The same value under the current master key. Raises as `open`."""
        ...

    def renew(self) -> None:
        """Make a new master key, where they are made here. Raises `SecretsLocked`."""
        ...


class StoredSecrets:
    """`ports.Secrets`."""

    def __init__(self, frames: Frames, cipher: Cipher) -> None:
        self._frames = frames
        self._cipher = cipher

    async def value(self, tenant: str, name: str) -> str:
        row = await self._frames.read(_one, tenant, name)
        return self._cipher.open(tenant, name, SealedSecret(row["key_id"], row["sealed"]))

    async def info(self, tenant: str, name: str) -> SecretInfo:
        return _info(await self._frames.read(_one, tenant, name))

    async def infos(self, tenant: str) -> Sequence[SecretInfo]:
        return [_info(row) for row in await self._frames.read(_all, tenant)]

    async def put(self, principal: Principal, name: str, value: str) -> SecretInfo:
        sealed = self._cipher.seal(principal.tenant, name, value)
        return _info(await self._frames.write(_put, principal, name, sealed))

    async def delete(self, principal: Principal, name: str) -> None:
        await self._frames.write(_delete, principal, name)

    async def rotate(self, principal: Principal) -> int:
        self._cipher.renew()
        return await self._frames.write(_rotate, principal, self._cipher)


def _one(frame: Frame, tenant: str, name: str) -> Work[Record]:
    row = yield from frame.one(ONE, tenant=tenant, name=name)
    if row is None:
        names = yield from frame.all(NAMES, tenant=tenant)
        raise NotFound("secret", name, difflib.get_close_matches(name, [one["name"] for one in names]))
    return row


def _all(frame: Frame, tenant: str) -> Work[list[Record]]:
    return (yield from frame.all(ALL, tenant=tenant))


def _put(frame: Frame, by: Principal, name: str, sealed: SealedSecret) -> Work[Record]:
    given = {"tenant": by.tenant, "name": name, "key_id": sealed.key_id, "sealed": sealed.sealed, "by": by.id}
    (row,) = yield from frame.all(PUT, **given, now=frame.now)
    yield from _audit(frame, by, "PUT_SECRET", name)
    return row


def _delete(frame: Frame, by: Principal, name: str) -> Work[None]:
    if (yield from frame.one(DELETE, tenant=by.tenant, name=name)) is None:
        yield from _one(frame, by.tenant, name)
    yield from _audit(frame, by, "DELETE_SECRET", name)


def _rotate(frame: Frame, by: Principal, cipher: Cipher) -> Work[int]:
    rows = yield from frame.all(EVERY)
    for row in rows:
        tenant, name = row["tenant"], row["name"]
        sealed = cipher.reseal(tenant, name, SealedSecret(row["key_id"], row["sealed"]))
        yield from frame.all(RESEAL, tenant=tenant, name=name, key_id=sealed.key_id, sealed=sealed.sealed)
    yield from _audit(frame, by, "ROTATE_SECRETS", "")
    return len(rows)


def _audit(frame: Frame, by: Principal, action: str, name: str) -> Work[None]:
    yield from frame.tell(by.tenant, "audit", "", {"action": action, "actor": by.id, "target": name})


def _info(row: Record) -> SecretInfo:
    return SecretInfo(
        row["name"],
        row["tenant"],
        row["version"],
        row["key_id"],
        row["created_by"],
        row.time("created_at"),
        row.time("updated_at"),
    )

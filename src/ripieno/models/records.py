"""Providers that administrators set up while the platform runs, beside those of the settings."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from ripieno.domain import ids
from ripieno.domain.errors import (
    Invalid,
    ManagedByFile,
    ModelRefused,
    NameTaken,
    NotFound,
    Problem,
    SecretUnreadable,
)
from ripieno.domain.jsons import JsonObject
from ripieno.domain.messages import ModelEvent, ModelRequest
from ripieno.domain.model_documents import Deed, DocumentChange, DocumentKind, ModelDocument
from ripieno.domain.principals import Principal
from ripieno.domain.secrets import REFERENCE
from ripieno.models.catalogue import Served
from ripieno.models.closing import closing
from ripieno.models.documents import DocumentsAtHand
from ripieno.ports import Clock, Model, Secrets

PROVIDER = "prv"
KEY_SECONDS = 5.0
"""For how long a key is used before it is looked up again."""

OFFLINE = "offline"

Kind: TypeAlias = Literal["openai", "openai_compatible", "anthropic", "bedrock", "ollama"]
OF_DEFAULT: tuple[Kind, ...] = ("anthropic", "openai", "openai_compatible", "bedrock", "ollama")
"""Whose model is the default one where nobody says: the first kind of which there is a provider."""

_HEADER = re.compile(r"^[A-Za-z0-9-]{1,64}$")
_NOT_HERE = frozenset(
    {"authorization", "x-api-key", "cookie", "host", "connection", "content-length", "transfer-encoding"}
)


def _url(url: str) -> str:
    try:
        parts = urlsplit(url)
        fine = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
        parts = urlsplit("")
    if not fine or "@" in parts.netloc or parts.query or parts.fragment or any(sign.isspace() for sign in url):
        msg = "give an http or https address without login, query and fragment"
        raise ValueError(msg)
    return url


def _headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    for name, value in headers.items():
        if not _HEADER.match(name) or name.lower() in _NOT_HERE:
            msg = f"{name} is no header that can be set here; a credential is given as api_key"
            raise ValueError(msg)
        if len(value) > 1000 or not value.isprintable():  # noqa: PLR2004
            msg = f"the value of {name} is no text of at most 1000 printable characters"
            raise ValueError(msg)
    return headers


ProviderName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
ModelName = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^\S+$")]
Url = Annotated[str, Field(max_length=500), AfterValidator(_url)]
Headers = Annotated[dict[str, str], Field(max_length=20), AfterValidator(_headers)]
Key = Annotated[SecretStr, Field(min_length=1, max_length=10_000)]


class ProviderSaid(BaseModel):
    """What is said of a provider, but for its name and its key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    model: ModelName
    base_url: Url | None = None
    region: str | None = Field(default=None, max_length=40, pattern=r"^[a-z0-9-]+$")
    headers: Headers = Field(default_factory=dict[str, str])
    enabled: bool = True

    @model_validator(mode="after")
    def _whole(self) -> "ProviderSaid":
        if self.kind == "openai_compatible" and self.base_url is None:
            msg = "an openai_compatible provider needs a base_url"
            raise ValueError(msg)
        if self.region is not None and self.kind != "bedrock":
            msg = "only a bedrock provider has a region"
            raise ValueError(msg)
        if self.headers and self.kind == "bedrock":
            msg = "a bedrock provider has no headers of its own: its requests are signed"
            raise ValueError(msg)
        return self


@dataclass(frozen=True, slots=True)
class Given:
    """A provider of the settings."""

    kind: str
    model: str
    base_url: str
    has_key: bool
    bare: Model


@dataclass(frozen=True, slots=True)
class ProviderInfo:
    """What may be shown of a provider: of a key, that there is one, of headers, their names."""

    id: str
    name: str
    kind: str
    model: str
    base_url: str | None
    region: str | None
    headers: tuple[str, ...]
    enabled: bool
    has_key: bool
    managed_by: str
    problem: str = ""
    created_by: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Making:
    """How models of providers are made: `bare` from what is said and its key, `around` puts the rings on, by id."""

    bare: Callable[[ProviderSaid, str], Awaitable[Model]]
    around: Callable[[Model, str], Model]


@dataclass(slots=True)
class Providers:
    """All providers that a tenant has: those of the settings, which go first, and its own."""

    documents: DocumentsAtHand
    secrets: Secrets
    making: Making
    clock: Clock
    given: Mapping[str, Given] = field(default_factory=dict[str, Given])
    _made: dict[tuple[str, str], tuple[int, Model]] = field(default_factory=dict[tuple[str, str], tuple[int, Model]])

    # -- looking -------------------------------------------------------------------------------------------------

    def all(self, tenant: str) -> Sequence[ProviderInfo]:
        """All of them, by name."""
        kept = [self._info(document) for document in self._kept(tenant).values()]
        return sorted([*(_of_settings(*item) for item in self.given.items()), *kept], key=lambda each: each.name)

    def info(self, tenant: str, which: str) -> ProviderInfo:
        """One of them, by id or name. Raises `NotFound`."""
        found = next((each for each in self.all(tenant) if which in {each.id, each.name}), None)
        if found is None:
            raise NotFound("provider", which)
        return found

    def served(self, tenant: str, name: str) -> Served | None:
        """Who answers under a name; None for what the settings say, which the catalogue knows."""
        document = None if name in self.given else self._kept(tenant).get(name)
        if document is None:
            return None
        said = _said(document)
        return Served(said.kind, said.base_url)

    def default_of(self, tenant: str) -> str | None:
        """The model of the first provider that a tenant has of its own."""
        usable = [(name, _said(document)) for name, document in self._kept(tenant).items() if name not in self.given]
        enabled = [(name, said) for name, said in usable if said.enabled]
        first = min(enabled, key=lambda each: (OF_DEFAULT.index(each[1].kind), each[0]), default=None)
        return f"{first[0]}:{first[1].model}" if first else None

    def resolve(self, tenant: str, target: str) -> str | None:
        """The model that a target stands for: itself, a provider's own, or the provider's whose own it is."""
        provider, colon, _ = target.partition(":")
        if target == OFFLINE:
            return target
        own = {name: _said(document) for name, document in self._kept(tenant).items()}
        models = {name: said.model for name, said in own.items() if said.enabled}
        models |= {name: each.model for name, each in self.given.items()}
        if colon:
            return target if provider in models or provider == OFFLINE else None
        if target in models:
            return f"{target}:{models[target]}"
        return next((f"{name}:{model}" for name, model in sorted(models.items()) if model == target), None)

    # -- calling -------------------------------------------------------------------------------------------------

    def model(self, tenant: str, name: str) -> Model | None:
        """One of the tenant's own providers, with its rings. Raises `ModelRefused` where it is disabled."""
        document = self._kept(tenant).get(name)
        if document is None:
            self._made.pop((tenant, name), None)
            return None
        if not document.body["said"].get("enabled", True):
            raise ModelRefused(f"the provider {name} is disabled")
        made = self._made.get((tenant, name))
        if made is None or made[0] != document.revision:
            kept = _KeptModel(document, self.secrets, self.making, self.clock)
            made = self._made[tenant, name] = (document.revision, self.making.around(kept, document.body["id"]))
        return made[1]

    def bare(self, tenant: str, name: str) -> Model:
        """The same without rings: nothing is tried again, and no breaker is asked."""
        if name in self.given:
            return self.given[name].bare
        return _KeptModel(self._kept(tenant)[name], self.secrets, self.making, self.clock)

    # -- changing ------------------------------------------------------------------------------------------------

    async def create(self, principal: Principal, name: str, said: ProviderSaid, key: str | None) -> ProviderInfo:
        """Set one up. Raises `NameTaken`, `Invalid` (there is no such secret), `SecretsLocked`."""
        if name in self.given or name == OFFLINE or name in self._kept(principal.tenant):
            raise NameTaken("provider", name)
        made = self.clock.new_id(PROVIDER)
        reference = await self._keep_key(principal, made, key)
        body: JsonObject = {"id": made, "said": _dumped(said), "key": reference}
        await self._change(principal, DocumentChange(DocumentKind.PROVIDER, name, body, 0), "CREATE_PROVIDER")
        return self.info(principal.tenant, name)

    async def change(
        self, principal: Principal, which: str, changes: Mapping[str, Any], key: str | None
    ) -> ProviderInfo:
        """Say something else of one; None takes a member back, and an empty key the key. Raises as `create`."""
        document = self._own(principal.tenant, which)
        merged = {**document.body["said"], **changes}
        said = ProviderSaid.model_validate({name: value for name, value in merged.items() if value is not None})
        reference = document.body["key"] if key is None else await self._keep_key(principal, document.body["id"], key)
        body: JsonObject = {"id": document.body["id"], "said": _dumped(said), "key": reference}
        change = DocumentChange(DocumentKind.PROVIDER, document.name, body, document.revision)
        await self._change(principal, change, "CHANGE_PROVIDER")
        return self.info(principal.tenant, document.name)

    async def delete(self, principal: Principal, which: str) -> None:
        """Forget one, and its key where that was given here. Raises `NotFound`, `ManagedByFile`."""
        document = self._own(principal.tenant, which)
        change = DocumentChange(DocumentKind.PROVIDER, document.name, None, document.revision)
        await self._change(principal, change, "DELETE_PROVIDER")
        if document.body["key"] == _secret_of(document.body["id"]):
            try:
                await self.secrets.delete(principal, document.body["key"])
            except NotFound:
                return

    async def _change(self, principal: Principal, change: DocumentChange, action: str) -> None:
        await self.documents.change(principal, [change], Deed(action, change.name))

    async def _keep_key(self, principal: Principal, provider_id: str, key: str | None) -> str | None:
        """The name of the secret that the key is in."""
        if not key:
            return None
        if not key.startswith(REFERENCE):
            return (await self.secrets.put(principal, _secret_of(provider_id), key)).name
        name = key.removeprefix(REFERENCE)
        try:
            return (await self.secrets.info(principal.tenant, name)).name
        except NotFound as error:
            raise Invalid("the key refers to a secret that there is not", [Problem("/api_key", error.detail)]) from None

    def _kept(self, tenant: str) -> Mapping[str, ModelDocument]:
        return self.documents.of(tenant, DocumentKind.PROVIDER)

    def _own(self, tenant: str, which: str) -> ModelDocument:
        info = self.info(tenant, which)
        if info.managed_by != "api":
            raise ManagedByFile("provider", info.name)
        return self._kept(tenant)[info.name]

    def _info(self, document: ModelDocument) -> ProviderInfo:
        said = _said(document)
        return ProviderInfo(
            id=document.body["id"],
            name=document.name,
            kind=said.kind,
            model=said.model,
            base_url=said.base_url,
            region=said.region,
            headers=tuple(sorted(said.headers)),
            enabled=said.enabled,
            has_key=document.body["key"] is not None,
            managed_by="api",
            problem="a provider of the settings has this name" if document.name in self.given else "",
            created_by=document.created_by,
            created_at=document.created_at,
            updated_at=document.updated_at,
        )


class _KeptModel:
    """`ports.Model` of one provider at one revision; made anew when its key is another."""

    def __init__(self, document: ModelDocument, secrets: Secrets, making: Making, clock: Clock) -> None:
        self._document = document
        self._secrets = secrets
        self._making = making
        self._clock = clock
        self._key = ""
        self._model: Model | None = None
        self._again = 0.0
        self._opening = asyncio.Lock()

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        model = await self._opened()
        async with closing(model.stream(request)) as events:
            async for event in events:
                yield event

    async def _opened(self) -> Model:
        async with self._opening:
            if self._model is not None and self._clock.monotonic() < self._again:
                return self._model
            key = await self._current_key()
            if self._model is None or key != self._key:
                self._model, self._key = await self._making.bare(_said(self._document), key), key
            self._again = self._clock.monotonic() + KEY_SECONDS
            return self._model

    async def _current_key(self) -> str:
        name: str | None = self._document.body["key"]
        if name is None:
            return ""
        try:
            return await self._secrets.value(self._document.tenant, name)
        except (NotFound, SecretUnreadable) as error:
            raise ModelRefused(f"the key of provider {self._document.name} cannot be had: {error.detail}") from None


def _of_settings(name: str, given: Given) -> ProviderInfo:
    made = ids.named(PROVIDER, "settings", name)
    address = given.base_url or None
    return ProviderInfo(made, name, given.kind, given.model, address, None, (), True, given.has_key, "settings")


def _said(document: ModelDocument) -> ProviderSaid:
    return ProviderSaid.model_validate(document.body["said"])


def _dumped(said: ProviderSaid) -> JsonObject:
    return said.model_dump(mode="json", exclude_defaults=True)


def _secret_of(provider_id: str) -> str:
    return f"provider.{provider_id}"

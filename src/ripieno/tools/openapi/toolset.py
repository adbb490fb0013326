"""An API as a source of tools."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import httpx2

from ripieno.domain.effects import EffectClass
from ripieno.domain.errors import Invalid
from ripieno.domain.tools import ToolCall, ToolContext, ToolResult, ToolSpec, ToolStatus
from ripieno.ports import Clock, SchemaCheck, Secrets
from ripieno.tools.egress.policy import AnswerDenied, EgressDenied
from ripieno.tools.failures import failed, invalid_arguments, not_sent, unknown_tool
from ripieno.tools.openapi.addresses import Place
from ripieno.tools.openapi.answers import REFUSED, result_of
from ripieno.tools.openapi.building import Prepared, build
from ripieno.tools.openapi.credentials import Credentials
from ripieno.tools.openapi.operations import Api, ImportProblem, Operation
from ripieno.tools.registry import near

MOST_BYTES = 3_000_000


@dataclass(frozen=True, slots=True)
class Means:
    """What calls need beside the network."""

    secrets: Secrets
    clock: Clock
    check: SchemaCheck


@dataclass(frozen=True, slots=True)
class _Target:
    operation: Operation
    base_url: str


class OpenApiToolset:
    """`ports.Toolset` of the operations that a configuration takes over; what cannot be called is in `problems`.

    Requests go to the API's own origin through the guarded client and are redirected nowhere, so that credentials stay
    with whom they are for.

    Raises:
        Invalid: The credentials do not fit the document.
    """

    def __init__(self, name: str, api: Api, place: Place, client: httpx2.AsyncClient, means: Means) -> None:
        self._client = client
        self._credentials = Credentials(api.schemes, place, means.secrets, client, means.clock)
        self._check = means.check
        self._config = place.config
        self._targets, self.problems = _targets(name, api, place)
        self._specs = [_spec(full, one.operation, place.config.timeout) for full, one in self._targets.items()]

    @property
    def targets(self) -> Mapping[str, object]:
        """What each tool is, by name: equal for tools that do the same."""
        return self._targets

    @property
    def specs(self) -> Sequence[ToolSpec]:
        """The tools; always the same sequence."""
        return self._specs

    async def list(self, context: ToolContext) -> Sequence[ToolSpec]:
        del context
        return self._specs

    async def call(self, call: ToolCall, context: ToolContext) -> ToolResult:
        target = self._targets.get(call.name)
        if target is None:
            return unknown_tool(call.name, near(call.name, list(self._targets)))
        operation = target.operation
        try:
            prepared = build(operation, call.arguments, target.base_url)
        except Invalid as error:
            return invalid_arguments(call.name, error.problems)
        if operation.idempotency_header and context.idempotency_key:
            prepared.headers[operation.idempotency_header] = context.idempotency_key
        if context.dry_run:
            return _shown(prepared)
        await self._credentials.sign(context.tenant, operation, prepared)
        if not context.may_begin():
            return not_sent(call.name)
        return await self._exchanged(call.name, operation, prepared, context)

    async def _exchanged(self, name: str, operation: Operation, prepared: Prepared, context: ToolContext) -> ToolResult:
        try:
            answer, content, cut = await self._sent(prepared)
        except EgressDenied as error:
            return _denied(name, operation, error)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            return ToolResult(ToolStatus.UNAVAILABLE, f"{name}: no connection could be made ({_kind(error)}).")
        except httpx2.HTTPError as error:
            return _broken_off(name, operation, error)
        if answer.status_code in REFUSED:
            self._credentials.forget(context.tenant)
        result = result_of(operation, answer, content, self._check)
        return replace(result, truncated=True, total_bytes=max(cut, len(content))) if cut else result

    async def _sent(self, prepared: Prepared) -> tuple[httpx2.Response, bytes, int]:
        """The answer, the part of its content that is read, and how long the whole is where that is not all."""
        headers = dict(prepared.headers)
        if prepared.cookies:
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in prepared.cookies.items())
        request = self._client.build_request(
            prepared.method, prepared.address, headers=headers, content=prepared.content, timeout=self._config.timeout
        )
        answer = await self._client.send(request, stream=True, follow_redirects=False)
        content = bytearray()
        try:
            async for chunk in answer.aiter_bytes():
                content += chunk
                if len(content) > MOST_BYTES:
                    length = answer.headers.get("content-length", "")
                    return answer, bytes(content[:MOST_BYTES]), int(length) if length.isdecimal() else len(content)
        finally:
            await answer.aclose()
        return answer, bytes(content), 0


def _targets(name: str, api: Api, place: Place) -> tuple[Mapping[str, _Target], Sequence[ImportProblem]]:
    targets: dict[str, _Target] = {}
    problems: list[ImportProblem] = []
    for operation in api.operations:
        if place.config.include.means(operation):
            try:
                base_url = place.address(operation)
            except Invalid as error:
                problems.append(ImportProblem(f"{operation.method} {operation.path}", error.detail))
                continue
            targets[f"{name}.{operation.name}"] = _Target(place.config.declared(operation), base_url)
    return targets, problems


def _denied(name: str, operation: Operation, error: EgressDenied) -> ToolResult:
    """Before the request nothing has happened; the guard may also refuse what comes back."""
    if isinstance(error, AnswerDenied) and operation.effect is not EffectClass.READ:
        return ToolResult(ToolStatus.LOST, f"{name}: {error.detail}. It is not known whether it took effect.")
    return failed(name, error)


def _broken_off(name: str, operation: Operation, error: httpx2.HTTPError) -> ToolResult:
    text = f"{name}: the connection broke ({_kind(error)})."
    if operation.effect is EffectClass.READ:
        return ToolResult(ToolStatus.UNAVAILABLE, text)
    return ToolResult(ToolStatus.LOST, f"{text} It is not known whether it took effect.")


def _kind(error: Exception) -> str:
    return type(error).__name__


def _shown(prepared: Prepared) -> ToolResult:
    """What would be sent, without what proves who asks."""
    body = (prepared.content or b"").decode("utf-8", "replace")
    data = {"method": prepared.method, "url": prepared.address, "headers": dict(prepared.headers), "body": body}
    return ToolResult(ToolStatus.OK, f"dry run: {prepared.method} {prepared.address}\n{body}".rstrip(), data)


def _spec(name: str, operation: Operation, timeout: float) -> ToolSpec:
    pages = f"\n\nPages: ask for the next by {', '.join(operation.pages)}." if operation.pages else ""
    return ToolSpec(
        name=name,
        description=operation.summary + pages,
        input_schema=operation.input_schema,
        effect=operation.effect,
        risk=operation.risk,
        source="openapi",
        timeout=timeout,
        keywords=operation.tags,
    )

"""An API as a source of tools."""

from collections.abc import Sequence
from dataclasses import dataclass

import httpx2

from ripieno.domain.errors import Invalid
from ripieno.domain.tools import ToolCall, ToolContext, ToolResult, ToolSpec, ToolStatus
from ripieno.ports import Clock, SchemaCheck, Secrets
from ripieno.tools.failures import failed, invalid_arguments, unknown_tool
from ripieno.tools.openapi.answers import REFUSED, result_of
from ripieno.tools.openapi.building import Prepared, build, server_url
from ripieno.tools.openapi.config import ApiConfig
from ripieno.tools.openapi.credentials import Credentials
from ripieno.tools.openapi.operations import Api, Operation
from ripieno.tools.registry import near

MOST_BYTES = 3_000_000


@dataclass(frozen=True, slots=True)
class Means:
    """What calls need beside the network."""

    secrets: Secrets
    clock: Clock
    check: SchemaCheck


class OpenApiToolset:
    """`ports.Toolset` of the operations that a configuration takes over.

    Requests go to the API's own origin through the guarded client and are redirected nowhere, so that credentials stay
    with whom they are for.
    """

    def __init__(self, name: str, api: Api, config: ApiConfig, client: httpx2.AsyncClient, means: Means) -> None:
        self._client = client
        self._credentials = Credentials(api.schemes, config.auth, means.secrets, client, means.clock)
        self._check = means.check
        self._config = config
        self._api = api
        self._operations = {f"{name}.{one.name}": one for one in api.operations if config.include.means(one)}
        self._specs = [_spec(full, one, config) for full, one in self._operations.items()]

    async def list(self, context: ToolContext) -> Sequence[ToolSpec]:
        del context
        return self._specs

    async def call(self, call: ToolCall, context: ToolContext) -> ToolResult:
        operation = self._operations.get(call.name)
        if operation is None:
            return unknown_tool(call.name, near(call.name, list(self._operations)))
        try:
            prepared = self._prepared(operation, call, context)
        except Invalid as error:
            return invalid_arguments(call.name, error.problems) if error.problems else failed(call.name, error)
        if context.dry_run:
            return _shown(prepared)
        try:
            await self._credentials.sign(context.tenant, operation, prepared)
            answer, content = await self._sent(prepared)
        except httpx2.ConnectError as error:
            return ToolResult(ToolStatus.UNAVAILABLE, f"{call.name}: no connection could be made ({error}).")
        except httpx2.HTTPError as error:
            return failed(call.name, error, operation.effect)
        if answer.status_code in REFUSED:
            self._credentials.forget(context.tenant)
        return result_of(operation, answer, content, self._check)

    def _prepared(self, operation: Operation, call: ToolCall, context: ToolContext) -> Prepared:
        base_url = self._config.base_url or server_url(operation.servers or self._api.servers, self._config.variables)
        prepared = build(operation, call.arguments, base_url)
        if operation.idempotency_header and context.idempotency_key:
            prepared.headers[operation.idempotency_header] = context.idempotency_key
        return prepared

    async def _sent(self, prepared: Prepared) -> tuple[httpx2.Response, bytes]:
        headers = dict(prepared.headers)
        if prepared.cookies:
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in prepared.cookies.items())
        request = self._client.build_request(
            prepared.method, prepared.address, headers=headers, content=prepared.content, timeout=self._config.timeout
        )
        answer = await self._client.send(request, stream=True, follow_redirects=False)
        try:
            content = bytearray()
            async for chunk in answer.aiter_bytes():
                content += chunk
                if len(content) > MOST_BYTES:
                    break
        finally:
            await answer.aclose()
        return answer, bytes(content)


def _shown(prepared: Prepared) -> ToolResult:
    """What would be sent, without what proves who asks."""
    body = (prepared.content or b"").decode("utf-8", "replace")
    data = {"method": prepared.method, "url": prepared.address, "headers": dict(prepared.headers), "body": body}
    return ToolResult(ToolStatus.OK, f"dry run: {prepared.method} {prepared.address}\n{body}".rstrip(), data)


def _spec(name: str, operation: Operation, config: ApiConfig) -> ToolSpec:
    pages = f"\n\nPages: ask for the next by {', '.join(operation.pages)}." if operation.pages else ""
    return ToolSpec(
        name=name,
        description=operation.summary + pages,
        input_schema=operation.input_schema,
        effect=operation.effect,
        risk=operation.risk,
        source="openapi",
        timeout=config.timeout,
        keywords=operation.tags,
    )

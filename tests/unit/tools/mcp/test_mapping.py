import mcp_types as types
import pytest

from ripieno.domain.artifacts import Blob
from ripieno.domain.effects import EffectClass
from ripieno.domain.tools import Compensation, Reconciliation, Risk, ToolResult, ToolStatus
from ripieno.tools.mcp import mapping, specs
from ripieno.tools.mcp.config import ServerConfig


def tool(hints: dict[str, bool]) -> types.Tool:
    annotations = types.ToolAnnotations.model_validate(hints) if hints else None
    return types.Tool(name="get", title="Get it", input_schema={"type": "object"}, annotations=annotations)


@pytest.mark.parametrize(
    ("settings", "hints", "effect"),
    [
        ({}, {}, EffectClass.IRREVERSIBLE),
        ({}, {"read_only_hint": True}, EffectClass.IRREVERSIBLE),
        ({"trust": True}, {}, EffectClass.IRREVERSIBLE),
        ({"trust": True}, {"read_only_hint": True}, EffectClass.READ),
        ({"trust": True}, {"idempotent_hint": True}, EffectClass.IDEMPOTENT),
        ({"trust": True}, {"read_only_hint": False}, EffectClass.IRREVERSIBLE),
        ({"trust": True, "effects": {"get": "reconcilable"}}, {"read_only_hint": True}, EffectClass.RECONCILABLE),
    ],
)
def test_effects(settings: dict[str, object], hints: dict[str, bool], effect: EffectClass):
    config = ServerConfig.model_validate({"name": "s", "command": "c", **settings})
    spec = specs.spec(config, mapping.offered(tool(hints)))
    assert (spec.name, spec.description, spec.effect) == ("s.get", "Get it", effect)
    assert spec.risk is (Risk.LOW if effect is EffectClass.READ else Risk.MEDIUM)


def test_what_undoes_a_call_and_what_tells_of_it():
    settings = {
        "compensate": {"get": {"tool": "unget", "with": {"id": "${{ result.id }}"}}},
        "reconcile": {"get": {"tool": "other.find", "happened": "found"}},
    }
    config = ServerConfig.model_validate({"name": "s", "command": "c", **settings})
    spec = specs.spec(config, mapping.offered(tool({})))
    assert spec.compensate == Compensation("s.unget", {"id": "${{ result.id }}"})
    assert spec.reconcile == Reconciliation("other.find", None, "found")


def test_structured_content_without_text_becomes_text():
    answer = types.CallToolResult(content=[], structured_content={"a": 1})
    assert mapping.result(answer) == ToolResult(ToolStatus.OK, '{"a": 1}', data={"a": 1})


def test_blocks_are_joined_and_errors_marked():
    blocks: list[types.ContentBlock] = [types.TextContent(text="a\n"), types.TextContent(text="b")]
    assert mapping.result(types.CallToolResult(content=blocks, is_error=True)) == ToolResult(ToolStatus.ERROR, "a\n\nb")


def test_broken_base64_is_described():
    block = types.ImageContent(data="a", mime_type="image/png")
    found = mapping.result(types.CallToolResult(content=[block]))
    assert (found.text, found.content) == ("[image, image/png: 1 characters that are no base64]", ())


def test_files_come_as_what_they_are():
    resource = types.BlobResourceContents(uri="file:///a/b.bin", blob="AAEC")
    blocks: list[types.ContentBlock] = [
        types.ImageContent(data="AAEC", mime_type="image/png"),
        types.EmbeddedResource(resource=resource),
    ]
    found = mapping.result(types.CallToolResult(content=blocks))
    octets = "application/octet-stream"
    assert found.content == (Blob(b"\0\1\2", "image/png", "image"), Blob(b"\0\1\2", octets, "b.bin"))

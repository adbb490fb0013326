"""What is Bedrock's own: its server against AWS's library, credentials, what goes over its wire, its failures."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.eventstream import ParserError
from botocore.exceptions import ClientError, ReadTimeoutError
from urllib3.exceptions import ProtocolError

from ripieno.domain.errors import ModelRefused, ModelUnavailable
from ripieno.domain.messages import AssistantMessage, ModelRequest, Reply, SystemMessage, ToolMessage, UserMessage
from ripieno.domain.teams import Plan
from ripieno.domain.tools import ToolCall, ToolSpec
from ripieno.domain.usage import Usage
from ripieno.models.providers.bedrock import Account, BedrockModel
from ripieno.models.providers.prices import cost_usd
from ripieno.models.wire.lazy import LazyModel
from ripieno.models.wire.server import Server
from tests.wire.bedrock_server import BedrockServer, model
from tests.wire.script import Step, breaks, calls, fails, says

KEY = "bedrock-api-key-very-secret"
SECRET = "aws-secret-very-secret"
NOVA = "us.amazon.nova-lite-v1:0"
CLAUDE = "global.anthropic.claude-sonnet-4-6"
PING = ToolSpec("net.ping", "Ping a host.", {"type": "object", "properties": {"host": {"type": "string"}}})
HELLO = ModelRequest(f"bedrock:{NOVA}", (SystemMessage("Be brief."), UserMessage("hello")), timeout=20)
HI = [{"role": "user", "content": [{"text": "hi"}]}]

pytestmark = pytest.mark.acceptance


def sdk(server: BedrockServer, key_id: str = "AKIDEXAMPLE", timeout: float = 20) -> Any:
    library: Any = boto3
    return library.client(
        "bedrock-runtime",
        region_name="eu-central-1",
        endpoint_url=server.url,
        aws_access_key_id=key_id,
        aws_secret_access_key=SECRET,
        config=Config(retries={"total_max_attempts": 1}, read_timeout=timeout),
    )


async def asked(client: Any, verb: str, **given: Any) -> Any:
    """Ask in a thread, the whole stream included."""

    def call() -> Any:
        answer = getattr(client, verb)(modelId=NOVA, messages=HI, **given)
        return list(answer["stream"]) if "stream" in answer else answer

    return await asyncio.to_thread(call)


async def reply(server: BedrockServer, request: ModelRequest = HELLO, account: Account | None = None) -> Reply:
    account = replace(account or Account(api_key=KEY), base_url=server.url, timeout=20)
    last = [event async for event in BedrockModel(account).stream(request)][-1]
    assert isinstance(last, Reply)
    return last


async def body(request: ModelRequest) -> dict[str, Any]:
    async with BedrockServer([says("fine")], KEY) as server:
        await reply(server, request)
        return server.requests[0].body


class TestTheServer:
    """Driven with AWS's own library, so that it is a fair stand-in."""

    async def test_it_answers_whole_and_streamed(self):
        answer = calls(("a", {"x": 1}), ("b", {}), text="one two", cached=4, written=2)
        async with BedrockServer([answer, answer], "AKIDEXAMPLE") as server:
            whole = await asked(sdk(server), "converse")
            events = await asked(sdk(server), "converse_stream")
        content = whole["output"]["message"]["content"]
        assert [block.get("toolUse", {}).get("name") for block in content] == [None, "a", "b"]
        deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
        assert "".join(delta["text"] for delta in deltas if "text" in delta) == "one two" == content[0]["text"]
        assert "".join(delta["toolUse"]["input"] for delta in deltas if "toolUse" in delta) == '{"x": 1}{}'
        assert [next(iter(event)) for event in (events[0], *events[-2:])] == ["messageStart", "messageStop", "metadata"]
        assert events[-1]["metadata"]["usage"] == whole["usage"]
        assert whole["usage"]["cacheReadInputTokens"] == 4
        assert whole["stopReason"] == events[-2]["messageStop"]["stopReason"] == "tool_use"

    async def test_it_refuses_what_a_real_server_refuses(self):
        used: list[Any] = [{"toolUse": {"toolUseId": "x", "name": "a", "input": {}}}]
        result = [{"toolResult": {"toolUseId": "x", "content": [{"text": "y"}]}}]
        spec = {"toolSpec": {"name": "a", "inputSchema": {"json": {"type": "object"}}}}
        bad = {"toolSpec": {"name": "a.b", "inputSchema": {"json": {"type": "object"}}}}
        open_format = {
            "type": "json_schema",
            "structure": {"jsonSchema": {"name": "x", "schema": '{"type": "object"}'}},
        }
        document = {"document": {"format": "pdf", "name": "a", "source": {"bytes": b"%PDF"}}}
        wrong: list[tuple[str, dict[str, Any]]] = [
            ("start with a user", {"messages": [{"role": "assistant", "content": [{"text": "hi"}]}]}),
            ("must alternate", {"messages": [*HI, *HI]}),
            ("is blank", {"messages": [{"role": "user", "content": [{"text": " "}]}]}),
            ("toolConfig field must be defined", {"messages": [*HI, {"role": "assistant", "content": used}]}),
            ("do not match", {"messages": [{"role": "user", "content": result}], "toolConfig": {"tools": [spec]}}),
            ("toolSpec.name", {"messages": HI, "toolConfig": {"tools": [bad]}}),
            ("additionalProperties", {"messages": HI, "outputConfig": {"textFormat": open_format}}),
            ("must have text", {"messages": [{"role": "user", "content": [document]}]}),
        ]
        async with BedrockServer(key="AKIDEXAMPLE") as server:
            for said, given in wrong:
                with pytest.raises(ClientError, match=said):
                    await asyncio.to_thread(sdk(server).converse, modelId=NOVA, **given)
            with pytest.raises(ClientError, match=r"AccessDeniedException.*security token"):
                await asked(sdk(server, "AKIDOTHER"), "converse")

    async def test_it_fails_as_told(self):
        script = [fails(429, retry_after=7), fails(500), breaks("cut"), breaks("cut"), breaks("error")]
        async with BedrockServer([*script, breaks("nonsense"), breaks("hang")]) as server:
            with pytest.raises(ClientError, match="ThrottlingException") as limited:
                await asked(sdk(server), "converse")
            error: Any = limited.value
            assert error.response["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "7"
            with pytest.raises(ClientError, match="InternalServerException"):
                await asked(sdk(server), "converse")
            assert "output" not in await asked(sdk(server), "converse")  # AWS's library does not mind
            with pytest.raises(ProtocolError):
                await asked(sdk(server), "converse_stream")
            with pytest.raises(ClientError, match="fell over"):
                await asked(sdk(server), "converse_stream")
            with pytest.raises(ParserError):
                await asked(sdk(server), "converse_stream")
            with pytest.raises(ReadTimeoutError):
                await asked(sdk(server, timeout=0.1), "converse")


class TestCredentials:
    @pytest.mark.parametrize("token", ["", "aws-token-very-secret"])
    async def test_an_access_key_signs_and_never_travels(self, token: str):
        account = Account("eu-west-1", access_key_id="AKIDEXAMPLE", secret_access_key=SECRET, session_token=token)
        async with BedrockServer([says("one")], "AKIDEXAMPLE") as server:
            assert (await reply(server, account=account)).text == "one"
            seen = server.requests[0]
        assert "/eu-west-1/bedrock/aws4_request" in seen.headers["authorization"]
        assert seen.headers.get("x-amz-security-token", "") == token
        assert SECRET not in str(seen)
        assert SECRET not in repr(account)
        assert model(seen) == NOVA

    async def test_a_profile_has_its_own_credentials_and_region(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        (tmp_path / "credentials").write_text(f"[work]\naws_access_key_id=AKIDWORK\naws_secret_access_key={SECRET}\n")
        (tmp_path / "config").write_text("[profile work]\nregion=sa-east-1\n")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        async with BedrockServer([says("one")], "AKIDWORK") as server:
            assert (await reply(server, account=Account(profile="work"))).text == "one"
            assert "/sa-east-1/bedrock/" in server.requests[0].headers["authorization"]
            with pytest.raises(ModelRefused, match=r"profile .*play.* could not be found"):
                await reply(server, account=Account(profile="play"))

    async def test_without_credentials_nothing_is_sent(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        async with BedrockServer() as server:
            with pytest.raises(ModelRefused, match="Bedrock cannot be asked: Unable to locate credentials"):
                await reply(server, account=Account())
            assert server.requests == []

    async def test_without_its_packages_it_says_how_to_get_them(self):
        lacking = LazyModel("ripieno.models.providers.bedrock.not_there", Account(), Server("bedrock", ""))
        with pytest.raises(ModelRefused, match=r"pip install 'ripieno\[bedrock\]'"):
            _ = [event async for event in lacking.stream(HELLO)]

    @pytest.mark.parametrize("where", ["secret_access_key", "session_token"])
    async def test_what_a_server_repeats_of_them_is_not_told(self, where: str):
        account = replace(Account(access_key_id="AKIDEXAMPLE", secret_access_key=SECRET), **{where: "tell-nobody"})
        async with BedrockServer([fails(400, "strange: tell-nobody")]) as server:
            with pytest.raises(ModelRefused, match=r"400: strange: \*\*\*"):
                await reply(server, account=account)


class TestTheWire:
    """What the server is sent."""

    async def test_settings_and_tools_go_out_as_given(self):
        sent = await body(replace(HELLO, tools=(PING,), temperature=0.2, max_tokens=50))
        assert sent["inferenceConfig"] == {"temperature": 0.2, "maxTokens": 50}
        assert sent["system"] == [{"text": "Be brief."}]
        spec = {"name": "net__ping", "description": "Ping a host.", "inputSchema": {"json": PING.input_schema}}
        assert sent["toolConfig"]["tools"] == [{"toolSpec": spec}]

    @pytest.mark.parametrize(("name", "marks"), [(CLAUDE, 3), (NOVA, 2), ("us.meta.llama3-3-70b-instruct-v1:0", 0)])
    async def test_a_long_conversation_of_an_agent_is_kept_where_the_model_can(self, name: str, marks: int):
        long = (SystemMessage("Be brief. " * 500), UserMessage("hello"))
        request = replace(HELLO, model=f"bedrock:{name}", messages=long, tools=(PING,))
        assert json.dumps(await body(request)).count("cachePoint") == marks
        assert "cachePoint" not in json.dumps(await body(replace(request, tools=())))

    async def test_a_model_without_a_temperature_is_told_none(self):
        request = replace(HELLO, model="bedrock:global.anthropic.claude-opus-5-5", temperature=0.2)
        assert "temperature" not in (await body(request))["inferenceConfig"]

    async def test_results_of_parallel_calls_go_back_together(self):
        wishes = (ToolCall("c1", "net.ping", {"host": "a"}), ToolCall("c2", "net.ping", malformed="{oops"))
        messages = (
            SystemMessage("one"),
            SystemMessage("two"),
            UserMessage("go", {"a": "ä"}),
            AssistantMessage("calling", wishes),
            ToolMessage("c1", "net.ping", "1 ms", "t1c0"),
            ToolMessage("c2", "net.ping", "not JSON", "t1c1", is_error=True),
        )
        sent = await body(replace(HELLO, messages=messages, tools=(PING,)))
        assert sent["system"] == [{"text": "one\n\ntwo"}]
        first, said, results = sent["messages"]
        assert first["content"][0]["text"] == 'go\n\n```json\n{\n "a": "ä"\n}\n```'
        inputs = [block["toolUse"]["input"] for block in said["content"][1:]]
        assert inputs == [{"host": "a"}, {"malformed": "{oops"}]
        told = [block["toolResult"] for block in results["content"]]
        assert [(each["toolUseId"], each["status"]) for each in told] == [("c1", "success"), ("c2", "error")]
        assert told[1]["content"] == [{"text": "[t1c1] (failed)\nnot JSON"}]

    async def test_a_closed_schema_is_the_format_too_but_not_beside_tools(self):
        request = replace(HELLO, model=f"bedrock:{CLAUDE}", output_schema=Plan.model_json_schema())
        alone = await body(request)
        beside = await body(replace(request, tools=(PING,)))
        assert alone["outputConfig"]["textFormat"]["type"] == "json_schema"
        assert "outputConfig" not in beside

    async def test_a_server_that_cannot_be_told_the_shape_is_asked_without_from_then_on(self):
        request = replace(HELLO, model=f"bedrock:{CLAUDE}", output_schema=Plan.model_json_schema())
        script = [fails(400, "outputConfig is not supported by this model"), says("{}"), says("{}")]
        async with BedrockServer(script) as server:
            asker = BedrockModel(Account(api_key=KEY, base_url=server.url))
            for _ in range(2):
                last = [event async for event in asker.stream(request)][-1]
                assert last.text == "{}"
            assert ["outputConfig" in seen.body for seen in server.requests] == [True, False, False]


class TestAnswers:
    async def test_tokens_of_the_cache_are_counted_and_paid(self):
        async with BedrockServer([says("one two", cached=1000, written=2000)]) as server:
            last = await reply(server, replace(HELLO, model=f"bedrock:{CLAUDE}"))
        assert last.usage == Usage(3001, 2, cached_tokens=1000, calls=1)
        assert last.metadata["cache_write_tokens"] == 2000
        aws = "https://bedrock-runtime.us-east-1.amazonaws.com"
        assert await cost_usd(replace(last, metadata={"base_url": aws})) > 0
        assert await cost_usd(last) == 0.0

    @pytest.mark.parametrize(
        ("reason", "finish"),
        [("max_tokens", "length"), ("guardrail_intervened", "content_filter"), ("something_new", "stop")],
    )
    async def test_it_says_why_it_ended(self, reason: str, finish: str):
        async with BedrockServer([says("one", finish=reason)]) as server:
            assert (await reply(server)).finish_reason == finish

    async def test_more_calls_wait_side_by_side_than_a_loop_has_threads_by_itself(self):
        many = 50
        async with BedrockServer([breaks("hang")] * many) as server:
            asker = BedrockModel(Account(api_key=KEY, base_url=server.url))

            async def wait() -> None:
                _ = [event async for event in asker.stream(HELLO)]

            async with asyncio.timeout(60), asyncio.TaskGroup() as group:
                waiting = [group.create_task(wait()) for _ in range(many)]
                while len(server.requests) < many:
                    await asyncio.sleep(0.02)
                for each in waiting:
                    each.cancel()


RUBBISH = ["null", "[]", "7", "{}", "{nonsense", '{"contentBlockIndex": 0}', '{"contentBlockIndex": 0, "delta": null}']


class TestFailures:
    @pytest.mark.parametrize("raw", RUBBISH)
    async def test_rubbish_is_an_error_of_ours(self, raw: str):
        async with BedrockServer([Step(raw=(raw,))]) as server:
            with pytest.raises((ModelRefused, ModelUnavailable)):
                await reply(server)

    @pytest.mark.parametrize(("status", "kind"), [(424, "ModelErrorException"), (408, "ModelTimeoutException")])
    async def test_what_the_model_itself_failed_at_may_pass(self, status: int, kind: str):
        async with BedrockServer([fails(status, "busy", code=kind)]) as server:
            with pytest.raises(ModelUnavailable, match=f"{status}: busy"):
                await reply(server)

    async def test_nothing_is_tried_again_by_the_library(self):
        async with BedrockServer([fails(503), says("late")]) as server:
            with pytest.raises(ModelUnavailable):
                await reply(server)
            assert len(server.requests) == 1

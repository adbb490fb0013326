"""Files that come with a message: each provider is sent what it takes, in its own form, and never the rest."""

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from ripieno.clock import SystemClock
from ripieno.domain.errors import ModelRefused, UnsupportedInput
from ripieno.domain.messages import Attachment, ModelRequest, Reply, UserMessage
from ripieno.domain.tools import ToolSpec
from ripieno.models.prompted import PromptedModel
from ripieno.models.providers.offline import OfflineModel
from tests.acceptance.providers import ALL, Asker
from tests.wire.provider import Provider
from tests.wire.script import fails, says

PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=")
IMAGE = Attachment("image/png", "rack.png", PNG)
PDF = Attachment("application/pdf", "plan.pdf", b"%PDF-1.4 nothing")
SOUND = Attachment("audio/x-wav", "call.wav", b"RIFF\0\0\0\0WAVE")
TABLE = Attachment("text/csv; charset=utf-8", "disks.csv", b"disk,full\nsda,\xc3\xa4 23\n")
FILM = Attachment("video/mp4", "film.mp4", b"....")

pytestmark = pytest.mark.acceptance


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(trust_env=False) as client:
        yield client


@pytest.fixture(params=ALL)
def wire(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def asker(wire: str, http: httpx2.AsyncClient) -> Asker:
    return Asker(ALL[wire], http)


def asks(*files: Attachment) -> ModelRequest:
    return ModelRequest("", (UserMessage("What is this?", attachments=files),), timeout=20)


def conversation(server: Provider) -> Any:
    """The messages, whatever the wire calls them."""
    body = server.requests[0].body
    return body["input"] if "input" in body else body["messages"]


FORMS: dict[str, list[dict[str, Any] | None]] = {
    "openai": [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64.b64encode(PNG).decode()}"}},
        {
            "type": "file",
            "file": {
                "file_data": f"data:application/pdf;base64,{base64.b64encode(PDF.data or b'').decode()}",
                "filename": "filename.pdf",
            },
        },
        {
            "type": "input_audio",
            "input_audio": {"data": base64.b64encode(SOUND.data or b"").decode(), "format": "wav"},
        },
    ],
    "responses": [
        {
            "type": "input_image",
            "detail": "auto",
            "image_url": f"data:image/png;base64,{base64.b64encode(PNG).decode()}",
        },
        {
            "type": "input_file",
            "file_data": f"data:application/pdf;base64,{base64.b64encode(PDF.data or b'').decode()}",
            "filename": "filename.pdf",
        },
        None,
    ],
    "anthropic": [
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PNG).decode()},
        },
        {
            "type": "document",
            "source": {
                "type": "base64",
                "media_type": "application/pdf",
                "data": base64.b64encode(PDF.data or b"").decode(),
            },
        },
        None,
    ],
    "bedrock": [
        {"image": {"format": "png", "source": {"bytes": base64.b64encode(PNG).decode()}}},
        {
            "document": {
                "name": "Document 1",
                "format": "pdf",
                "source": {"bytes": base64.b64encode(PDF.data or b"").decode()},
            }
        },
        None,
    ],
    "ollama": [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64.b64encode(PNG).decode()}"}},
        None,
        None,
    ],
}
"""How an image, a PDF and a sound look on each wire; None where it is not taken."""


@pytest.mark.parametrize(("at", "file"), [(0, IMAGE), (1, PDF), (2, SOUND)], ids=["image", "pdf", "sound"])
async def test_a_file_goes_out_in_the_form_of_the_wire_or_not_at_all(
    asker: Asker, wire: str, at: int, file: Attachment
):
    form = FORMS[wire][at]
    async with asker.bed.server([says("a rack")]) as server:
        if form is None:
            with pytest.raises(UnsupportedInput, match=f"{asker.bed.name} takes no .*'{file.name}'"):
                await asker.reply(server, asks(file))
            assert server.requests == []
            return
        assert (await asker.reply(server, asks(file))).text == "a rack"
        blocks = conversation(server)[-1]["content"]
    texts = [block["text"] for block in blocks if "text" in block]
    assert texts == ["What is this?", f"Attached: {file.name}"]
    assert form in blocks


async def test_a_text_is_told_to_every_model(asker: Asker):
    async with asker.bed.server([says("disks")]) as server:
        await asker.reply(server, asks(TABLE))
        sent = json.dumps(conversation(server), ensure_ascii=False)
    assert r"What is this?\n\nAttached: disks.csv\n\n```\ndisk,full\nsda,ä 23\n\n```" in sent


async def test_what_no_model_takes_is_refused_before_anything_is_sent(asker: Asker):
    broken = replace(TABLE, data=b"\xff\xfe")
    lost = Attachment("image/png", "lost.png", None, "art_1")
    async with asker.bed.server() as server:
        with pytest.raises(UnsupportedInput, match=r"takes no video/mp4, as 'film.mp4' is"):
            await asker.reply(server, asks(FILM))
        with pytest.raises(UnsupportedInput, match="is no UTF-8"):
            await asker.reply(server, asks(broken))
        with pytest.raises(ModelRefused, match=r"lost.png.* not at hand"):
            await asker.reply(server, asks(lost))
        assert server.requests == []


async def test_what_the_server_says_about_a_file_is_the_same_error(asker: Asker):
    said = [fails(400, "This model does not support image inputs."), fails(400, "temperature is too high")]
    async with asker.bed.server(said) as server:
        with pytest.raises(UnsupportedInput, match="400: This model does not support image"):
            await asker.reply(server, asks(IMAGE))
        with pytest.raises(ModelRefused, match="temperature") as other:
            await asker.reply(server, asks(IMAGE))
    assert not isinstance(other.value, UnsupportedInput)
    assert UnsupportedInput.code == "unsupported_input"


async def test_a_model_that_calls_tools_in_words_sees_files_too(http: httpx2.AsyncClient):
    bed = ALL["ollama"]
    request = replace(asks(IMAGE), model=bed.name, tools=(ToolSpec("net.ping", "Ping.", {"type": "object"}),))
    async with bed.server([says("FINAL ANSWER: a rack")]) as server:
        model = PromptedModel(bed.model(http, "", server.url), ["ollama:*"], SystemClock())
        last = [event async for event in model.stream(request)][-1]
        assert "data:image/png;base64" in json.dumps(server.requests[0].body)
    assert isinstance(last, Reply)
    assert last.text == "a rack"


async def test_the_offline_model_reads_texts_alone():
    last = [event async for event in OfflineModel().stream(asks(TABLE))][-1]
    assert isinstance(last, Reply)
    with pytest.raises(UnsupportedInput, match="offline takes no image/png"):
        _ = [event async for event in OfflineModel().stream(asks(IMAGE))]


async def test_fences_in_a_text_do_not_end_it():
    tricky = Attachment("text/markdown", "a\nb.md", b"````\ncode\n````")
    async with httpx2.AsyncClient(trust_env=False) as http, ALL["openai"].server([says("x")]) as server:
        await Asker(ALL["openai"], http).reply(server, asks(tricky))
        told = server.requests[0].body["messages"][-1]["content"]
    assert told == "What is this?\n\nAttached: a b.md\n\n`````\n````\ncode\n````\n`````"

"""Attachments get their bytes right before the provider, from their own tenant's artifacts."""

import pytest

from ripieno.domain.artifacts import NewArtifact
from ripieno.domain.errors import ModelRefused
from ripieno.domain.messages import Attachment, ModelRequest, SystemMessage, UserMessage
from ripieno.domain.principals import Principal
from ripieno.models.attached import AttachedModel
from ripieno.testing.fake_clock import FakeClock
from ripieno.testing.memory_artifacts import MemoryArtifacts
from ripieno.testing.scripted_model import ScriptedModel, says

HERE = Attachment("text/plain", "here.txt", data=b"given")


async def asked(
    artifacts: MemoryArtifacts, *messages: SystemMessage | UserMessage, tenant: str = "acme"
) -> ModelRequest:
    inner = ScriptedModel([says("ok")])
    request = ModelRequest("scripted", messages, labels={"tenant": tenant})
    async for _ in AttachedModel(inner, artifacts).stream(request):
        pass
    return inner.requests[0]


async def test_bytes_are_filled_in():
    artifacts = MemoryArtifacts(FakeClock())
    kept = await artifacts.put(NewArtifact("acme", "cat.png", "image/png", "alice"), b"\x89PNG")
    message = UserMessage("look", attachments=(Attachment("image/png", "cat.png", artifact_id=kept.id), HERE))
    request = await asked(artifacts, SystemMessage("be kind"), message)
    assert request.messages[0] == SystemMessage("be kind")
    filled = request.messages[1]
    assert isinstance(filled, UserMessage)
    assert [each.data for each in filled.attachments] == [b"\x89PNG", b"given"]
    assert message.attachments[0].data is None


async def test_without_attachments_nothing_changes():
    message = UserMessage("look")
    assert (await asked(MemoryArtifacts(FakeClock()), message)).messages == (message,)


async def test_what_is_gone_or_not_theirs_is_refused():
    artifacts = MemoryArtifacts(FakeClock())
    kept = await artifacts.put(NewArtifact("acme", "cat.png", "image/png", "alice"), b"\x89PNG")
    message = UserMessage("look", attachments=(Attachment("image/png", "cat.png", artifact_id=kept.id),))
    with pytest.raises(ModelRefused, match=kept.id):
        await asked(artifacts, message, tenant="other")
    await artifacts.delete(Principal("alice", "acme"), kept.id)
    with pytest.raises(ModelRefused, match="deleted"):
        await asked(artifacts, message)

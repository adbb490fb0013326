"""The outermost ring around models: it puts the bytes of attachments into a request, of which journals hold the ids."""

from collections.abc import AsyncIterator
from dataclasses import replace

from ripieno.domain.errors import ModelRefused, NotFound
from ripieno.domain.messages import Attachment, Message, ModelEvent, ModelRequest, UserMessage
from ripieno.models.closing import closing
from ripieno.ports import Artifacts, Model


class AttachedModel:
    """`ports.Model` that reads what is attached from where artifacts are kept."""

    def __init__(self, inner: Model, artifacts: Artifacts) -> None:
        self._inner = inner
        self._artifacts = artifacts

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Answer as the inner model does.

        Raises:
            ModelRefused: An attachment was deleted.
        """
        if any(isinstance(message, UserMessage) and message.attachments for message in request.messages):
            tenant = str(request.labels.get("tenant", ""))
            messages = [await self._filled(tenant, message) for message in request.messages]
            request = replace(request, messages=tuple(messages))
        async with closing(self._inner.stream(request)) as events:
            async for event in events:
                yield event

    async def _filled(self, tenant: str, message: Message) -> Message:
        if not isinstance(message, UserMessage) or not message.attachments:
            return message
        return replace(message, attachments=tuple([await self._read(tenant, each) for each in message.attachments]))

    async def _read(self, tenant: str, attachment: Attachment) -> Attachment:
        if attachment.data is not None or not attachment.artifact_id:
            return attachment
        try:
            return replace(attachment, data=await self._artifacts.read(tenant, attachment.artifact_id))
        except NotFound:
            raise ModelRefused(f"the attachment {attachment.name} ({attachment.artifact_id}) was deleted") from None

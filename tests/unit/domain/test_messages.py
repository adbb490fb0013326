"""How messages become JSON: attachments without their bytes."""

from ripieno.domain import jsons
from ripieno.domain.messages import Attachment, Message, UserMessage


def test_an_attachment_keeps_its_artifact_and_never_its_bytes():
    picture = Attachment("image/png", "rack.png", b"\x89PNG\xff", "art_1")
    message = UserMessage("What is this?", attachments=(picture,))
    kept = [{"media_type": "image/png", "name": "rack.png", "artifact_id": "art_1"}]
    assert jsons.encode(message)["attachments"] == kept
    assert b"PNG" not in jsons.encode_text(message)
    assert "PNG" not in repr(message)
    back = jsons.decode(UserMessage, jsons.encode(message))
    assert back == UserMessage("What is this?", attachments=(Attachment("image/png", "rack.png", None, "art_1"),))


def test_without_attachments_the_json_is_as_it_always_was():
    message: Message = UserMessage("hello", {"a": 1})
    assert jsons.encode_text(message) == b'{"text":"hello","data":{"a":1},"role":"user"}'

"""The conversation of one run, with a fingerprint that grows with it."""

import hashlib

from ripieno.domain.jsons import encode_text
from ripieno.domain.messages import Message
from ripieno.engine.core import tokens


class Transcript:
    """An append-only list of messages.

    The fingerprint of each state is the hash of the one before and the new message, so its cost does not grow with the
    length of the conversation.
    """

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.fingerprint = ""
        self.tokens = 0
        """About how many it has; what a provider counts may differ."""

    def add(self, *messages: Message) -> None:
        """Append."""
        for message in messages:
            text = self.fingerprint.encode() + encode_text(message)
            self.fingerprint = hashlib.sha256(text).hexdigest()[:32]
            self.messages.append(message)
            self.tokens += tokens.of_message(message)

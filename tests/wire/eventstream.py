"""AWS's binary event stream, as a server writes it: https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html.

A message is its length, the length of its headers, the CRC-32 of both, the headers, the payload, the CRC-32 of all.
"""

import json
import struct
import zlib
from typing import Any

TEXT = 7
"""The type of a header whose value is text."""


def event(kind: str, document: Any) -> bytes:
    """Something that happened."""
    return message({":event-type": kind, ":content-type": "application/json", ":message-type": "event"}, document)


def exception(kind: str, document: Any) -> bytes:
    """The end, because something went wrong."""
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return message(headers, document)


def message(headers: dict[str, str], document: Any) -> bytes:
    """One message; text goes out as it is, anything else as JSON."""
    payload = (document if isinstance(document, str) else json.dumps(document)).encode()
    head = b"".join(_header(name, value) for name, value in headers.items())
    start = struct.pack("!II", 16 + len(head) + len(payload), len(head))
    body = start + struct.pack("!I", zlib.crc32(start)) + head + payload
    return body + struct.pack("!I", zlib.crc32(body))


def _header(name: str, value: str) -> bytes:
    return bytes([len(name)]) + name.encode() + struct.pack("!BH", TEXT, len(value.encode())) + value.encode()

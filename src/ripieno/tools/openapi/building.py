"""From an operation and its arguments to a request. Pure: nothing is sent, nothing is looked up."""

import base64
import binascii
import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import quote, unquote

from ripieno.domain.errors import Invalid, Problem
from ripieno.domain.jsons import Json, JsonObject
from ripieno.tools.openapi import styles
from ripieno.tools.openapi.bodies import FORM, MULTIPART, is_json, is_text
from ripieno.tools.openapi.nodes import members
from ripieno.tools.openapi.operations import Body, Encoding, Form, Operation, Parameter

DEFAULT_ENCODING = Encoding()

_SEPARATORS = re.compile(r"[/\\]")
_COOKIE = "!#$&'()*+-./:<=>?@[]^_`{|}~"  # what a cookie holds as it is (RFC 6265), but for %


@dataclass
class Prepared:
    """A request that is ready to be shown or sent; what proves who asks is added to it later."""

    method: str
    url: str
    query: list[str] = field(default_factory=list[str])
    headers: dict[str, str] = field(default_factory=dict[str, str])
    cookies: dict[str, str] = field(default_factory=dict[str, str])
    content: bytes | None = None

    @property
    def address(self) -> str:
        """The URL with its query."""
        if not self.query:
            return self.url
        return f"{self.url}{'&' if '?' in self.url else '?'}{'&'.join(self.query)}"


def build(operation: Operation, arguments: JsonObject, base_url: str) -> Prepared:
    """The request for a call whose arguments fit the operation's schema.

    Raises:
        Invalid: A value cannot be written: base64 that is none, a line break in a header.
    """
    prepared = Prepared(operation.method, base_url.rstrip("/"), headers={"accept": "application/json, */*;q=0.5"})
    path = operation.path
    for parameter in operation.parameters:
        if parameter.argument in arguments:
            value = arguments[parameter.argument]
            if parameter.place == "path":
                path = path.replace(f"{{{parameter.name}}}", _in_path(parameter, value))
            else:
                _put(prepared, parameter, value)
    _refuse_climbing(path)
    prepared.url += path if path.startswith("/") else f"/{path}"
    if operation.body is not None and "body" in arguments:
        media_type = str(arguments.get("content_type") or operation.body.media_types[0])
        _write_body(prepared, operation.body, media_type, arguments["body"])
    return prepared


def _in_path(parameter: Parameter, value: Json) -> str:
    text = quote(_json(value), safe="") if parameter.media_type is not None else styles.in_path(parameter, value)
    if not text:
        raise Invalid(f"{parameter.argument} cannot be empty", [Problem(f"/{parameter.argument}", "cannot be empty")])
    return text


def _refuse_climbing(path: str) -> None:
    """Servers take `..` for the folder above, some also when it is encoded: an argument must not reach other paths."""
    if any(part in {".", ".."} for part in _SEPARATORS.split(unquote(path))):
        raise Invalid("the path cannot have a part that is . or ..", [Problem("", "makes a path with . or .. in it")])


def _put(prepared: Prepared, parameter: Parameter, value: Json) -> None:
    written = _json(value) if parameter.media_type is not None else None
    if parameter.place == "query":
        single = [f"{quote(parameter.name, safe='[]')}={quote(written or '', safe='')}"]
        prepared.query += styles.in_query(parameter, value) if written is None else single
    elif value is not None:
        text = styles.in_header(parameter, value) if written is None else written
        if parameter.place == "header":
            prepared.headers[parameter.name] = header_value(parameter.argument, text)
        else:
            prepared.cookies[parameter.name] = cookie_value(text)


def cookie_value(text: str) -> str:
    """The text as a cookie holds it."""
    return quote(text, safe=_COOKIE)


def header_value(argument: str, text: str) -> str:
    """The text, if a header can hold it. Raises `Invalid`."""
    if any(ord(letter) < ord(" ") or ord(letter) == 127 for letter in text) or not text.isascii():  # noqa: PLR2004 - DEL
        detail = "a header takes one line of ASCII"
        raise Invalid(f"{argument} cannot be sent: {detail}", [Problem(f"/{argument}", detail)])
    return text


def _write_body(prepared: Prepared, body: Body, media_type: str, value: Json) -> None:
    kind = media_type.partition(";")[0].strip().lower()
    prepared.headers["content-type"] = "application/json" if "*" in media_type else media_type
    if is_json(kind):
        prepared.content = _json(value).encode()
    elif kind == FORM:
        prepared.content = "&".join(_form_fields(body.forms[media_type], members(value))).encode()
    elif kind == MULTIPART:
        _write_multipart(prepared, body.forms[media_type], members(value))
    elif is_text(kind):
        prepared.content = str(value).encode()
    else:
        prepared.content = _bytes("body", value)


def _form_fields(form: Form, value: JsonObject) -> list[str]:
    fields: list[str] = []
    for name, one in value.items():
        encoding = form.encodings.get(name, DEFAULT_ENCODING)
        as_query = Parameter(name, name, "query", encoding.style, encoding.explode)
        if encoding.content_type is not None and is_json(encoding.content_type):
            fields.append(f"{quote(name, safe='[]')}={quote(_json(one), safe='')}")
        else:
            fields += styles.in_query(as_query, one)
    return fields


def _write_multipart(prepared: Prepared, form: Form, value: JsonObject) -> None:
    """RFC 7578: a part a value, lists as several parts of one name. No content can hold the hash of all of it."""
    parts = [
        _part(form, name, item)
        for name, one in value.items()
        for item in (cast("list[Any]", one) if isinstance(one, list) else [one])
    ]
    boundary = hashlib.sha256(b"".join(parts)).hexdigest()[:32]
    prepared.headers["content-type"] = f"{MULTIPART}; boundary={boundary}"
    between = f"--{boundary}\r\n".encode()
    prepared.content = b"".join(between + part for part in parts) + f"--{boundary}--\r\n".encode()


def _part(form: Form, name: str, value: Json) -> bytes:
    told = form.encodings.get(name, DEFAULT_ENCODING).content_type
    disposition = f'form-data; name="{_quoted(name)}"'
    if name in form.binary:
        content, kind = _bytes(f"body/{name}", value), told or "application/octet-stream"
        disposition += f'; filename="{_quoted(name)}"'
    elif isinstance(value, dict | list) or (told is not None and is_json(told)):
        content, kind = _json(value).encode(), told or "application/json"
    else:
        content, kind = styles.text_of(value).encode(), told or "text/plain; charset=utf-8"
    head = f"Content-Disposition: {disposition}\r\nContent-Type: {kind.partition(',')[0].strip()}\r\n\r\n"
    return head.encode() + content + b"\r\n"


def _quoted(name: str) -> str:
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _bytes(argument: str, value: Json) -> bytes:
    try:
        return base64.b64decode(str(value), validate=True)
    except (ValueError, binascii.Error):
        raise Invalid(f"{argument} must be base64", [Problem(f"/{argument}", "is no base64")]) from None


def _json(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

"""Files over HTTP: what goes in comes out, in whole and in parts, to its tenant alone and never as a page."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from ripieno.domain.artifacts import NewArtifact
from ripieno.domain.messages import Attachment, UserMessage
from ripieno.server import ranges
from ripieno.server.ranges import ByteRange, Unsatisfiable
from ripieno.server.shapes.artifacts import disposition, file_name, media_type
from tests.unit.server.doors import Door, open_door

PLAIN = {"content-type": "text/plain; charset=utf-8"}
DIGITS = b"0123456789"


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with open_door(works=False, body_bytes=2048, file_bytes=100_000) as opened:
        yield opened


async def upload(door: Door, content: bytes = DIGITS, name: str = "digits.txt", key: str | None = None) -> Any:
    headers = PLAIN | ({"idempotency-key": key} if key else {})
    answer = await door.client.post("/v1/artifacts", params={"name": name}, content=content, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_body_is_a_file(door: Door):
    made = await upload(door)
    assert (made["name"], made["media_type"], made["size"]) == ("digits.txt", "text/plain", 10)
    assert made["id"] == made["artifact_id"]
    assert await door.get(f"/v1/artifacts/{made['id']}") == made
    answer = await door.client.get(made["content"])
    assert (answer.status_code, answer.content) == (200, DIGITS)
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["content-disposition"].startswith('attachment; filename="digits.txt"')
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["etag"] == f'"{made["sha256"]}"'
    assert answer.headers["content-length"] == "10"


async def test_a_form_brings_a_file(door: Door):
    answer = await door.client.post("/v1/artifacts", files={"file": ("../a b.png", b"\x89PNG", "image/png")})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["name"], made["media_type"], made["size"]) == ("a b.png", "image/png", 4)
    none = await door.client.post("/v1/artifacts", files={"other": ("a", b"x")})
    assert (none.status_code, none.json()["errors"][0]["pointer"]) == (422, "/file")


@pytest.mark.parametrize(
    ("header", "status", "content", "content_range"),
    [
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=0-99", 206, DIGITS, "bytes 0-9/10"),
        ("bytes=0-1,4-5", 200, DIGITS, None),
        ("lines=1-2", 200, DIGITS, None),
        ("bytes=10-", 416, b"", "bytes */10"),
    ],
)
async def test_ranges(door: Door, header: str, status: int, content: bytes, content_range: str | None):
    made = await upload(door)
    answer = await door.client.get(made["content"], headers={"range": header})
    assert (answer.status_code, answer.content) == (status, content)
    assert answer.headers.get("content-range") == content_range


async def test_a_range_of_another_version_is_the_whole(door: Door):
    made = await upload(door)
    headers = {"range": "bytes=0-1", "if-range": '"other"'}
    assert (await door.client.get(made["content"], headers=headers)).content == DIGITS
    headers["if-range"] = f'"{made["sha256"]}"'
    assert (await door.client.get(made["content"], headers=headers)).content == b"01"


async def test_what_is_known_is_not_sent_again(door: Door):
    made = await upload(door)
    answer = await door.client.get(made["content"], headers={"if-none-match": f'"x", W/"{made["sha256"]}"'})
    assert (answer.status_code, answer.content) == (304, b"")
    assert (await door.client.get(made["content"], headers={"if-none-match": '"x"'})).status_code == 200


async def test_files_may_be_larger_than_other_bodies(door: Door):
    assert (await upload(door, bytes(100_000)))["size"] == 100_000
    answer = await door.client.post("/v1/artifacts", content=bytes(500_000), headers=PLAIN)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    answer = await door.client.post("/v1/runs", content=bytes(3000), headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert len((await door.get("/v1/artifacts"))["data"]) == 1


async def test_pages(door: Door):
    made = [await upload(door, name=str(n)) for n in range(3)]
    first = await door.get("/v1/artifacts?limit=2")
    second = await door.get(f"/v1/artifacts?limit=2&cursor={first['next_cursor']}")
    shown = [one["name"] for one in first["data"] + second["data"]]
    assert (shown, second["next_cursor"]) == (["2", "1", "0"], None)
    assert (await door.get(f"/v1/artifacts?run_id={made[0]['id']}"))["data"] == []


async def test_what_was_deleted_and_what_is_another_tenants_is_not_found(door: Door):
    made = await upload(door)
    assert (await door.client.delete(f"/v1/artifacts/{made['id']}")).status_code == 204
    theirs = await door.services.artifacts.put(NewArtifact("other", "x", "text/plain", "mallory"), b"x")
    for gone in (made["id"], theirs.id, "art_0"):
        for path in (f"/v1/artifacts/{gone}", f"/v1/artifacts/{gone}/content"):
            assert (await door.get(path, 404))["code"] == "not_found"
        assert (await door.client.delete(f"/v1/artifacts/{gone}")).status_code == 404
        run = {"goal": "look", "attachments": [{"artifact_id": gone}]}
        problem = await door.post("/v1/runs", run, 422)
        assert [error["pointer"] for error in problem["errors"]] == ["/attachments/0/artifact_id"]
    assert await door.services.artifacts.read("other", theirs.id) == b"x"


async def test_a_second_request_under_a_key_keeps_one_file(door: Door):
    first = await upload(door, key="k1")
    assert await upload(door, key="k1") == first
    assert len((await door.get("/v1/artifacts"))["data"]) == 1


async def test_an_attachment_comes_with_the_goal():
    async with open_door() as door:
        made = await upload(door)
        body = {"goal": "count the digits", "agent": "default", "attachments": [{"artifact_id": made["id"]}]}
        await door.post("/v1/runs?wait=20", body)
        (first,) = [message for message in door.model.requests[0].messages if isinstance(message, UserMessage)]
        assert first.attachments == (Attachment("text/plain", "digits.txt", artifact_id=made["id"]),)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("a.txt", "a.txt"),
        ("/etc/passwd", "passwd"),
        ("C:\\x\\y.doc", "y.doc"),
        ("..", "file"),
        ("", "file"),
        ("a\r\nb\u202etxt", "abtxt"),
        ("x" * 300, "x" * 200),
    ],
)
def test_names(given: str, shown: str):
    assert file_name(given) == shown


def test_media_types():
    assert media_type("Text/HTML; charset=x") == "text/html"
    assert {media_type(None), media_type(""), media_type("a/b\r\nx: y"), media_type("text")} == {
        "application/octet-stream"
    }


def test_a_name_cannot_leave_its_header():
    assert disposition('a"b\\ü.txt') == "attachment; filename=\"a_b__.txt\"; filename*=UTF-8''a%22b%5C%C3%BC.txt"


def test_strange_ranges():
    assert ranges.asked("bytes=0-" + "9" * 30, 10) is None
    assert ranges.asked("bytes=5-2", 10) is None
    assert ranges.asked("bytes=-", 10) is None
    assert ranges.asked("bytes=-99", 10) == ByteRange(0, 10, 10)
    for header, size in (("bytes=0-", 0), ("bytes=-0", 5), ("bytes=-5", 0)):
        with pytest.raises(Unsatisfiable):
            ranges.asked(header, size)

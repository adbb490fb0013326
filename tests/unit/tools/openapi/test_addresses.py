"""Where requests go: what a document says, what an administrator says, and what neither opens."""

from typing import Any

import pytest

from ripieno.domain.errors import Invalid
from ripieno.domain.jsons import JsonObject
from ripieno.tools.openapi.addresses import Place, place_of, root
from ripieno.tools.openapi.config import parsed
from tests.unit.tools.openapi.described import api_of, operation_of

SOURCE = "https://docs.test/api/openapi.json"
REGION = {
    "url": "https://{region}.api.test:{port}/v1",
    "variables": {"region": {"default": "eu", "enum": ["eu", "us"]}, "port": {"default": "8443"}},
}


def place(servers: list[JsonObject], source: str = "", **config: Any) -> Place:
    return place_of(api_of({"/x": {"get": {}}}, servers=servers), parsed(config), source)


@pytest.mark.parametrize(
    ("servers", "config", "home"),
    [
        ([{"url": "https://api.test/v1"}], {}, "https://api.test/v1"),
        ([{"url": "/v2"}], {}, "https://docs.test/v2"),
        ([{"url": "v2"}], {}, "https://docs.test/api/v2"),
        ([], {}, "https://docs.test/"),
        ([{"url": "https://one.test"}, {"url": "https://two.test"}], {}, "https://one.test"),
        ([REGION], {}, "https://eu.api.test:8443/v1"),
        ([REGION], {"variables": {"region": "us", "port": "1"}}, "https://us.api.test:1/v1"),
        ([REGION], {"base_url": "http://127.0.0.1:9/own"}, "http://127.0.0.1:9/own"),
    ],
)
def test_where_an_api_is(servers: list[JsonObject], config: JsonObject, home: str):
    assert place(servers, SOURCE, **config).home == home


@pytest.mark.parametrize(
    ("servers", "config", "why"),
    [
        ([{"url": "/v2"}], {}, "does not say where the API is"),
        ([], {}, "does not say where the API is"),
        ([{"url": "file:///etc"}], {}, "does not say where the API is"),
        ([{"url": "https://me:word@api.test"}], {}, "is no address"),
        ([{"url": "https://[::1"}], {}, "is no address|does not say"),
        ([{"url": "https://{host}/"}], {}, "a variable host without a value"),
        ([REGION], {"variables": {"region": "moon"}}, "must be one of eu, us"),
        ([REGION], {"variables": {"port": "1@evil.test"}}, "is no address"),
    ],
)
def test_what_is_no_place_is_refused(servers: list[JsonObject], config: JsonObject, why: str):
    with pytest.raises(Invalid, match=why):
        place(servers, **config)


def test_only_what_an_administrator_named_is_opened():
    assert place([{"url": "http://169.254.169.254/"}], SOURCE).opened == ()
    assert place([{"url": "http://10.0.0.1/"}]).opened == ()
    assert place([{"url": "/v1"}], SOURCE).opened == ("https://docs.test:443",)
    assert place([], base_url="http://127.0.0.1:9/a", origins=["https://up.test"]).opened == (
        "http://127.0.0.1:9",
        "https://up.test:443",
    )
    auth = {"a": {"type": "clientCredentials", "secret": "secret://s", "token_url": "https://login.test/t"}}
    assert place([{"url": "https://api.test"}], auth=auth).opened == ("https://login.test:443",)


def test_an_operation_elsewhere_is_called_only_where_that_is_open():
    elsewhere = operation_of({"servers": [{"url": "https://up.test/v1"}]})
    servers: list[JsonObject] = [{"url": "https://api.test"}]
    with pytest.raises(Invalid, match=r"served by https://up\.test:443, which is not open"):
        place(servers).address(elsewhere)
    assert place(servers, origins=["https://up.test"]).address(elsewhere) == "https://up.test/v1"
    assert place(servers, base_url="http://127.0.0.1:9").address(elsewhere) == "http://127.0.0.1:9"
    assert place(servers).address(operation_of({})) == "https://api.test"


def test_tokens_are_asked_for_only_at_the_api_or_where_the_administrator_said():
    servers: list[JsonObject] = [{"url": "https://api.test/v1"}]
    auth = {"a": {"secret": "secret://s"}}
    assert place(servers, auth=auth).token_url("a", "/token") == "https://api.test/token"
    with pytest.raises(Invalid, match=r"sends secrets to 'https://evil.test/token'"):
        place(servers, auth=auth).token_url("a", "https://evil.test/token")
    auth["a"]["token_url"] = "https://login.test/token"
    assert place(servers, auth=auth).token_url("a", "https://evil.test/token") == "https://login.test/token"


def test_origins_are_written_with_their_port():
    assert root("https://[::1]/x") == "https://[::1]:443"
    assert root("http://Api.Test.") == "http://api.test:80"

"""`ripieno tenants`: limits are set, shown and taken away on a data folder."""

from pathlib import Path

import pytest

from tests.acceptance.command_line import ripieno

pytestmark = pytest.mark.acceptance


def test_a_tenant_is_limited(tmp_path: Path):
    assert ripieno(tmp_path, "tenants", "list").out == "no tenant has a limit of its own\n"
    assert ripieno(tmp_path, "tenants", "limit", "acme", "3").out == "acme may have 3 runs under way\n"
    assert ripieno(tmp_path, "tenants", "list", "--json").json["data"] == [{"id": "acme", "max_running": 3}]
    assert ripieno(tmp_path, "tenants", "unlimit", "acme").code == 0
    refused = ripieno(tmp_path, "tenants", "unlimit", "acme")
    assert (refused.code, refused.err[:17]) == (2, "error[not_found]:")

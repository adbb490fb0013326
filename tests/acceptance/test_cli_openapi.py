"""`ripieno tools import` on a data folder without a server; what one process imports, the next one has."""

import json
from pathlib import Path

import pytest

from tests.acceptance.command_line import ripieno
from tests.unit.tools.openapi.described import document, parameter

pytestmark = pytest.mark.acceptance

PETS = document(
    {
        "/pets": {"get": {"operationId": "listPets"}, "post": {"operationId": "addPet"}},
        "/pets/{id}": {"get": {"operationId": "getPet", "parameters": [parameter("id", "path")]}},
        "/away": {"get": {"operationId": "away", "parameters": [{"$ref": "http://169.254.169.254/latest"}]}},
    }
)


def test_a_description_becomes_tools_and_goes_again(tmp_path: Path):
    file = tmp_path / "pets.json"
    file.write_text(json.dumps(PETS))
    tried = ripieno(tmp_path, "tools", "import", str(file), "--name", "pets", "--dry-run")
    assert tried.code == 0
    assert "pets would be at https://api.test/v1: 3 added, 0 changed, 0 removed" in tried.out
    assert "left out GET /away: 'http://169.254.169.254/latest' is outside the document" in tried.out
    assert ripieno(tmp_path, "tools", "pets").code == 2
    done = ripieno(tmp_path, "tools", "import", str(file), "--name", "pets", "--include", "*Pet", "--json")
    assert done.json["added"] == ["pets.addPet", "pets.getPet"]
    assert "pets.getPet" in ripieno(tmp_path, "tools").out
    assert json.loads(ripieno(tmp_path, "tools", "pets").out)["tools"] == ["pets.addPet", "pets.getPet"]
    gone = ripieno(tmp_path, "tools", "remove", "pets")
    assert (gone.code, gone.out) == (0, "pets is removed\n")
    assert "pets.getPet" not in ripieno(tmp_path, "tools").out


def test_what_cannot_be_imported_is_said(tmp_path: Path):
    assert ripieno(tmp_path, "tools", "import").code == 2
    assert "cannot be read" in ripieno(tmp_path, "tools", "import", "none.yaml").err
    (tmp_path / "bad.yaml").write_text("- " * 50_000)
    bad = ripieno(tmp_path, "tools", "import", "bad.yaml")
    assert bad.code == 2
    assert "nested more than 200 levels" in bad.err
    assert not (tmp_path / ".ripieno").exists() or "bad" not in ripieno(tmp_path, "tools").out

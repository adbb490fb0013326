"""References: followed within the document, and nowhere else."""

import pytest

from ripieno.tools.openapi.references import BrokenReference, followed, target

DOCUMENT = {
    "a/b": {"~c": [{"type": "string"}]},
    "one": {"$ref": "#/two"},
    "two": {"$ref": "#/a~1b/~0c/0"},
    "left": {"$ref": "#/right"},
    "right": {"$ref": "#/left"},
    "sp ace": 1,
}


def test_pointers_are_unescaped_and_chains_followed():
    assert followed(DOCUMENT, {"$ref": "#/one"}) == {"type": "string"}
    assert target(DOCUMENT, "#/sp%20ace") == 1
    assert target(DOCUMENT, "#") is DOCUMENT
    assert followed(DOCUMENT, 3) == 3


@pytest.mark.parametrize(
    "reference",
    [
        "file:///etc/passwd",
        "../../etc/passwd",
        "http://169.254.169.254/latest/meta-data/",
        "https://example.com/openapi.json#/components/schemas/A",
        "other.yaml#/A",
        "",
    ],
)
def test_nothing_outside_the_document_is_followed(reference: str):
    with pytest.raises(BrokenReference, match="outside the document"):
        followed(DOCUMENT, {"$ref": reference})


@pytest.mark.parametrize("reference", ["#/none", "#/a~1b/~0c/7", "#/a~1b/~0c/x", "#/sp%20ace/deeper", "#/a~1b/~0c/-1"])
def test_what_leads_nowhere_is_broken(reference: str):
    with pytest.raises(BrokenReference, match="nothing at"):
        target(DOCUMENT, reference)


def test_circles_are_broken():
    with pytest.raises(BrokenReference, match="circle"):
        followed(DOCUMENT, {"$ref": "#/left"})

"""What a halt covers."""

import pytest

from ripieno.domain import halts
from ripieno.domain.errors import Invalid
from ripieno.domain.halts import Subject

SUBJECT = Subject("acme", "clerk", ("run_1", "run_0"), "shop.pay", "openai:gpt-4o")


@pytest.mark.parametrize(
    "scope",
    [
        "all",
        "tenant:acme",
        "agent:clerk",
        "run:run_1",
        "run:run_0",
        "tool:shop.pay",
        "tool:shop.*",
        "tool:*",
        "model:openai:gpt-4o",
        "model:gpt-4o",
    ],
)
def test_scope_covers(scope: str):
    assert halts.covers(halts.checked(f" {scope} "), SUBJECT)
    assert halts.covers(scope, Subject("other")) is (scope == "all")


@pytest.mark.parametrize(
    "scope", ["tenant:other", "agent:cler", "agent:*", "run:run_2", "tool:shop", "tool:*.look", "model:openai"]
)
def test_scope_does_not_cover(scope: str):
    assert not halts.covers(halts.checked(scope), SUBJECT)


@pytest.mark.parametrize(
    "scope", ["", "everything", "agent", "agent:", "all:things", "tool:a b", "user:bob", "agent:" + "x" * 200]
)
def test_scope_that_means_nothing_is_refused(scope: str):
    with pytest.raises(Invalid, match="a scope is all, tenant:NAME"):
        halts.checked(scope)


def test_audit_names_the_kind_alone():
    assert halts.action("HALT", "tool:shop.*") == "HALT_TOOL"
    assert halts.action("UNHALT", "all") == "UNHALT_ALL"

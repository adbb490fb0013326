"""The directory picks the provider by the model's prefix."""

import pytest

from ripieno.domain.errors import ModelRefused
from ripieno.domain.messages import ModelRequest, UserMessage
from ripieno.models.directory import ModelDirectory
from ripieno.testing.scripted_model import ScriptedModel, says


def asks(model: str) -> ModelRequest:
    return ModelRequest(model, (UserMessage("go"),))


@pytest.mark.parametrize(("model", "provider"), [("a:one", "a"), ("a:llama:8b", "a"), ("b", "b"), ("b:x", "b")])
async def test_the_part_before_the_colon_names_the_provider(model: str, provider: str):
    directory = ModelDirectory({name: ScriptedModel(lambda _, name=name: says(name)) for name in ("a", "b")})
    assert [event.text async for event in directory.stream(asks(model))][-1] == provider


async def test_an_unknown_provider_is_refused_with_those_that_exist():
    directory = ModelDirectory({"b": ScriptedModel([]), "a": ScriptedModel([])})
    with pytest.raises(ModelRefused, match=r"no provider 'c' for model 'c:x'; configured: a, b"):
        directory.stream(asks("c:x"))
    with pytest.raises(ModelRefused, match="configured: none"):
        ModelDirectory({}).stream(asks("c"))

"""What the signature and the docstring of a Python function say about the tool that it is."""

import inspect
import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PydanticSchemaGenerationError, PydanticUserError, create_model
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.json_schema import GenerateJsonSchema

from ripieno.domain.errors import Invalid
from ripieno.domain.jsons import Json, JsonObject
from ripieno.domain.tools import ToolContext

_SECTION = re.compile(r"^(Args|Arguments|Returns|Raises|Yields|Example|Examples|Note|Notes):\s*$")
_ARGUMENT = re.compile(r"^\*{0,2}(\w+)(?:\s*\([^)]*\))?:\s*(.*)$")


class _Schema(GenerateJsonSchema):
    """Without the titles that repeat each field's name: they cost tokens and say nothing."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        del schema
        return False


@dataclass(frozen=True, slots=True)
class Signature:
    """A function's parameters. `names` maps the model's fields to them; `context` is the one that is injected."""

    model: type[BaseModel]
    names: Mapping[str, str]
    context: str | None
    input_schema: JsonObject

    def bind(self, arguments: JsonObject, context: ToolContext) -> dict[str, Any]:
        """Coerce the arguments of a call to what the function is annotated with.

        Raises:
            pydantic.ValidationError: They do not fit.
        """
        values = self.model.model_validate(arguments)
        bound = {name: getattr(values, field) for field, name in self.names.items()}
        if self.context is not None:
            bound[self.context] = context
        return bound


def read(function: Callable[..., object]) -> Signature:
    """Read a function's parameters.

    Raises:
        Invalid: It has parameters that no JSON object can fill.
    """
    name = getattr(function, "__qualname__", repr(function))
    try:
        parameters = inspect.signature(function).parameters.values()
        hints = typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError, ValueError) as error:
        raise Invalid(f"tool function {name}: {error}") from None
    fields: dict[str, Any] = {}
    names: dict[str, str] = {}
    context = None
    for position, parameter in enumerate(parameters):
        if parameter.kind not in {parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD}:
            raise Invalid(f"tool function {name}: parameter {parameter} cannot be filled by name")
        annotation = hints.get(parameter.name, Json)
        if annotation is ToolContext:
            context = parameter.name
            continue
        default = ... if parameter.default is parameter.empty else parameter.default
        # Fields have neutral names: `schema` or `_x` would clash with pydantic's own.
        field = f"p{position}"
        names[field] = parameter.name
        fields[field] = (annotation, Field(default, alias=parameter.name))
    try:
        model = create_model("Arguments", __config__=ConfigDict(extra="forbid"), **fields)
        schema = _input_schema(model, arguments(inspect.getdoc(function) or ""))
    except (PydanticSchemaGenerationError, PydanticUserError, PydanticInvalidForJsonSchema) as error:
        raise Invalid(f"tool function {name}: {str(error).splitlines()[0]}") from None
    return Signature(model, names, context, schema)


def _input_schema(model: type[BaseModel], described: Mapping[str, str]) -> JsonObject:
    schema = model.model_json_schema(schema_generator=_Schema)
    schema.pop("title", None)
    properties: JsonObject = schema.setdefault("properties", {})
    for name, text in described.items():
        if name in properties:
            properties[name].setdefault("description", text)
    return schema


def description(docstring: str) -> str:
    """The first paragraph, on one line."""
    return " ".join(docstring.strip().split("\n\n", 1)[0].split())


def arguments(docstring: str) -> dict[str, str]:
    """What a Google-style `Args:` section says of each parameter."""
    found: dict[str, list[str]] = {}
    inside, depth, current = False, None, ""
    for line in docstring.splitlines():
        text = line.strip()
        indent = len(line) - len(line.lstrip())
        if indent == 0 and text:
            match = _SECTION.match(text)
            inside, depth = match is not None and match[1].startswith("Arg"), None
            continue
        if not inside or not text:
            continue
        depth = indent if depth is None else depth
        match = _ARGUMENT.match(text) if indent == depth else None
        if match:
            current = match[1]
            found[current] = [match[2]]
        elif current:
            found[current].append(text)
    return {name: " ".join(lines).strip() for name, lines in found.items()}

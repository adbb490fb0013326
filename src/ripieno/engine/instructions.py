"""Fills the templates that agents' instructions are (Jinja, sandboxed)."""

from collections.abc import Mapping

from jinja2 import ChainableUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ripieno.domain.errors import Invalid

_ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=ChainableUndefined, autoescape=False)


def render(template: str, variables: Mapping[str, object]) -> str:
    """The instructions with `goal`, `context`, `session` and `today` filled in; what is not given is empty.

    Raises:
        Invalid: The template does not compile, or breaks the sandbox.
    """
    if "{" not in template:
        return template
    try:
        return _ENVIRONMENT.from_string(template).render(**variables)
    except TemplateError as error:
        raise Invalid(f"the instructions cannot be rendered: {error}") from None

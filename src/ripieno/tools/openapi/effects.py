"""What an operation does to the world, by its method and by what its author says in extensions.

RFC 9110 §9.2: GET, HEAD and OPTIONS are safe, PUT and DELETE idempotent; nobody promises anything for POST and PATCH
unless the API takes a key by which it knows a repeated request.
"""

from ripieno.domain.effects import EffectClass
from ripieno.domain.jsons import JsonObject
from ripieno.domain.tools import Risk

EFFECT, RISK = "x-ripieno-effect", "x-ripieno-risk"

BY_METHOD: dict[str, tuple[EffectClass, Risk]] = {
    "get": (EffectClass.READ, Risk.LOW),
    "head": (EffectClass.READ, Risk.LOW),
    "options": (EffectClass.READ, Risk.LOW),
    "put": (EffectClass.IDEMPOTENT, Risk.MEDIUM),
    "delete": (EffectClass.IDEMPOTENT, Risk.HIGH),
    "post": (EffectClass.IRREVERSIBLE, Risk.MEDIUM),
    "patch": (EffectClass.IRREVERSIBLE, Risk.MEDIUM),
}


def declared(method: str, operation: JsonObject, *, repeatable: bool) -> tuple[EffectClass, Risk]:
    """Effect and risk. Raises `ValueError` for an extension that holds no such word."""
    effect, risk = BY_METHOD[method]
    if repeatable and effect is EffectClass.IRREVERSIBLE:
        effect = EffectClass.IDEMPOTENT
    return EffectClass(operation.get(EFFECT, effect)), Risk(operation.get(RISK, risk))

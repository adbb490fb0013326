"""Settings of what is kept from whom."""

from typing import Literal

from ripieno.models.redacted import Redaction
from ripieno.settings.section import Section

Kind = Literal["KEY", "EMAIL", "IBAN", "CARD", "SSN", "PHONE", "IP"]


class RedactionSettings(Section):
    """Personal data and secrets, kept from models.

    `model` is `off`, `mask` (`[EMAIL]`), or `tokens` (`[EMAIL_1]`, put back in the answer and in the arguments of tool
    calls). `kinds` are looked for; `IP` is not unless it is named. The models that fit a pattern of `trusted` see
    everything.
    """

    model: Redaction = Redaction.OFF
    kinds: tuple[Kind, ...] = ("KEY", "EMAIL", "IBAN", "CARD", "SSN", "PHONE")
    trusted: tuple[str, ...] = ("offline",)

"""Finds the goal in material that people give under many names."""

from typing import cast

from ripieno.domain.jsons import JsonObject

GOAL_KEYS = ("goal", "prompt", "task", "message", "text", "query", "input")


def goal_in(material: JsonObject) -> str | None:
    """The goal in a loose object: its first text under a familiar name."""
    key = goal_key(material)
    return None if key is None else cast("str", material[key])


def goal_key(material: JsonObject) -> str | None:
    """The name under which a loose object holds its goal."""
    return next((key for key in GOAL_KEYS if isinstance(text := material.get(key), str) and text.strip()), None)

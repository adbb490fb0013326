"""Ripieno: a self-hosted platform that runs many LLM agents together."""

__version__ = "0.1.0"

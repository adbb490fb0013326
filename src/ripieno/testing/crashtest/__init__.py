"""Kills an agent's process at every boundary of its journal, and holds what comes out against an outside witness."""

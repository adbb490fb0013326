"""Settings in, running platform out."""

"""Programs that measure Ripieno and print figures beside the aims. They are no tests: a missed aim is a figure.

    make bench
    .venv/bin/python -m bench steps --long

docs/reference/benchmarks.md says how to read what they print.
"""

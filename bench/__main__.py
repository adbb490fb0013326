"""`python -m bench [NAME …] [--quick | --long] [--json FILE]`: measure, and print figures beside aims."""

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from bench import machine
from bench.programs import ROOT, BenchFailed
from bench.report import Report
from bench.sizes import Size

BENCHES = {
    "steps": "durable steps through the engine, beside LangGraph and a bare insert",
    "longrun": "the tenth step of a run against its thousandth, beside LangGraph",
    "latency": "from a request to the first model call, from a commit to a reader, over each dispatch",
    "parked": "memory and tasks of waiting runs, how soon they go on",
    "burst": "many queued runs of several tenants on one worker and on two",
    "takeover": "a worker is killed: how soon its runs go on elsewhere",
    "http": "whole runs over HTTP",
    "providers": "the CPU of a model call, by SDK, by wire and through all rings",
    "cold": "import, start and memory",
}
FOLDER = ROOT / "build" / "bench"


def main() -> int:
    """Run the benches that were named, or all."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__, epilog=_listing(), **_RAW)
    parser.add_argument("names", nargs="*", metavar="NAME", help="which benches to run (all)")
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument(
        "--quick", dest="size", action="store_const", const=Size.QUICK, help="a look: less of everything"
    )
    sizes.add_argument("--long", dest="size", action="store_const", const=Size.LONG, help="more rounds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers to FILE")
    asked = parser.parse_args()
    if unknown := set(asked.names) - BENCHES.keys():
        parser.error(f"there is no bench {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    size: Size = asked.size or Size.USUAL
    facts = {**machine.facts(FOLDER), "size": size.value}
    print(*(f"{name:8} {fact}" for name, fact in facts.items()), sep="\n", flush=True)
    numbers: dict[str, Any] = {"machine": facts}
    for name in asked.names or BENCHES:
        began = time.monotonic()
        try:
            report = _measured(name, size)
        except BenchFailed as failure:
            print(f"\n{name} failed: {failure}", file=sys.stderr)
            return 1
        print(f"\n{report.text()}\n({time.monotonic() - began:.0f} s)", flush=True)
        numbers[name] = {**report.numbers, "aims": [{**asdict(aim), "reached": aim.reached} for aim in report.aims]}
    if asked.json:
        asked.json.write_text(json.dumps(numbers, indent=2) + "\n")
    return 0


def _measured(name: str, size: Size) -> Report:
    """Run one bench in an empty folder."""
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    measure: Callable[..., Report] = import_module(f"bench.{name}").measure
    try:
        return measure(folder, size)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _listing() -> str:
    return "benches:\n" + "\n".join(f"  {name:8} {about}" for name, about in BENCHES.items())


_RAW: dict[str, Any] = {"formatter_class": argparse.RawDescriptionHelpFormatter}


if __name__ == "__main__":
    sys.exit(main())

"""`python -m bench.scripted_server FOLDER SLOTS`: the real server, with the scripted model in place of all providers.

Prints its address as a line of JSON and serves until its standard input is closed; then prints, as JSON, when
(`time.monotonic_ns`) each entry of each run was committed. The first entry of a run comes first in its list.
"""

import asyncio
import gc
import json
import sys
import time
from pathlib import Path

from bench import scripted
from ripieno.bootstrap import serving_platform
from ripieno.domain.hints import Hint, HintKind


async def main(folder: Path, slots: int) -> None:
    commits: dict[str, list[int]] = {}

    def hear(hint: Hint) -> None:
        if hint.kind is HintKind.PROGRESS:
            commits.setdefault(hint.run_id, []).append(time.monotonic_ns())

    async with serving_platform(scripted.settings(scripted.Place(folder, slots=slots)), scripted.extras()) as (
        url,
        platform,
    ):
        gc.freeze()  # as `ripieno serve` does
        platform.ports.dispatch.subscribe(hear)
        print(json.dumps({"url": url}), flush=True)
        await asyncio.to_thread(sys.stdin.read)
    print(json.dumps(commits), flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))

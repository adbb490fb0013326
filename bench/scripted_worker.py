"""`python -m bench.scripted_worker PLACE`: a worker with the scripted model; PLACE is a `scripted.Place` as JSON.

It prints `{"ready": true}` when it has imported everything, begins to work when it reads a line, prints
`{"works": true}` when it does, and drains when its standard input is closed.
"""

import asyncio
import gc
import json
import sys
from pathlib import Path

from bench import scripted
from ripieno.bootstrap import opened


async def main(place: scripted.Place) -> None:
    settings, extras = scripted.settings(place), scripted.extras()
    print(json.dumps({"ready": True}), flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    async with opened(settings, extras):
        gc.freeze()  # as `ripieno worker` does
        print(json.dumps({"works": True}), flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    asyncio.run(main(scripted.Place(**{**given, "folder": Path(given["folder"])})))

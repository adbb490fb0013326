"""Which sandbox there is on this machine; where none is safe, one that refuses."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from ripieno.tools.sandbox.contract import Description, Job, Limits, Outcome, Sandbox, SandboxRefused


class ChosenSandbox:
    """The first of several drivers that is safe here, looked for at each job until there is one."""

    def __init__(self, drivers: Mapping[str, Sandbox]) -> None:
        self._drivers = drivers
        self._chosen: Sandbox | None = None

    async def describe(self) -> Description:
        return await (await self._safe()).describe()

    async def run(self, job: Job, limits: Limits) -> Outcome:
        return await (await self._safe()).run(job, limits)

    @asynccontextmanager
    async def confined(
        self, command: Sequence[str], limits: Limits, proxy: Path | None = None, readable: Sequence[Path] = ()
    ) -> AsyncGenerator[Sequence[str]]:
        chosen = await self._safe()
        async with chosen.confined(command, limits, proxy, readable) as confined:
            yield confined

    async def _safe(self) -> Sandbox:
        """Raises `SandboxRefused`, with what each driver says."""
        if self._chosen is not None:
            return self._chosen
        reasons: list[str] = []
        hints: list[str] = []
        for name, driver in self._drivers.items():
            try:
                await driver.describe()
            except SandboxRefused as error:
                reasons.append(f"{name}: {error.text}")
                hints += [error.hint] if error.hint else []
            else:
                self._chosen = driver
                return driver
        if not self._drivers:
            raise SandboxRefused("The sandbox is switched off here.", "Set tools.sandbox.driver.")
        raise SandboxRefused("There is no safe sandbox here, so nothing is run. " + " ".join(reasons), " ".join(hints))

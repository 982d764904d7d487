"""What tests of probes share: probes that say what a test wants, and a note of what a monitor tells."""

import asyncio
from collections.abc import Callable

from failover.core.values import Health
from failover.ports.service import Finding
from healthcheck.word import Together
from tests.servers.wait import eventually_async

WELL = Finding(Health.HEALTHY, "well")
ILL = Finding(Health.UNHEALTHY, "ill")
SILENT = Finding(Health.NOT_RESPONDING, "silent")
GONE = Finding(Health.NOT_RESPONDING, "pid 1 ended", gone=True)


class Puppet:
    """A probe that finds what `finding` is set to, when `open` is set."""

    def __init__(self, name: str = "puppet", every_s: float = 0.02, rise: int = 1, fall: int = 1) -> None:
        self.name = name
        self.every_s = every_s
        self.timeout_s = 0.05
        self.rise = rise
        self.critical = True
        self.grace_s = 0.0
        self.fall = fall
        self.finding = WELL
        self.open = asyncio.Event()
        self.open.set()
        self.asked = 0
        self.running = 0
        self.most_running = 0
        self.closed = False
        self.tell: Callable[[Finding], None] = lambda finding: None

    async def check(self) -> Finding:
        """Answers once it is open, with what was to be found when it was asked."""
        self.asked += 1
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        finding = self.finding
        try:
            await self.open.wait()
        finally:
            self.running -= 1
        return finding

    def watch(self, tell: Callable[[Finding], None]) -> None:
        """Keeps `tell`."""
        self.tell = tell

    def close(self) -> None:
        """Notes it."""
        self.closed = True


class Told:
    """What a monitor has told, in order."""

    def __init__(self) -> None:
        self.words: list[tuple[Health, str, bool]] = []
        self.impaired = 0

    def __call__(self, said: Together) -> None:
        self.words.append((said.health, said.detail, said.gone))
        self.impaired = said.impaired

    @property
    def healths(self) -> list[Health]:
        """Without the details."""
        return [health for health, _, _ in self.words]

    async def says(self, health: Health) -> None:
        """Wait until the newest word is this one."""
        await eventually_async(
            lambda: bool(self.words) and self.words[-1][0] is health, 5.0, f"the monitor says {health}"
        )


async def asked_again(puppet: Puppet, times: int = 2) -> None:
    """Wait until it has been asked that many more times."""
    wanted = puppet.asked + times
    await eventually_async(lambda: puppet.asked >= wanted, 5.0, f"{puppet.name} is asked {times} times more")
